"""The published document: what is checked in is what the code says, and it is complete enough to generate a client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.gateway.api.openapi import openapi_json
from services.gateway.domain.documents import parse_document
from services.gateway.domain.problems import Slug

READER = Path(__file__).resolve().parents[3] / "services/gateway/api/reader"
COMMITTED = Path(__file__).resolve().parents[3] / "docs/api/openapi.json"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return dict(json.loads(openapi_json()))


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_what_is_checked_in_is_what_the_code_says() -> None:
    assert COMMITTED.read_text("utf-8") == openapi_json(), "run `make contracts`"


def test_every_reference_leads_somewhere_and_nothing_is_left_over(spec: dict[str, Any]) -> None:
    text = json.dumps(spec)
    for kind, found in spec["components"].items():
        used = {name for name in found if f'"#/components/{kind}/{name}"' in text}
        if kind == "securitySchemes":
            used = {
                name
                for requirement in [
                    *spec["security"],
                    *(r for _, _, o in operations(spec) for r in o.get("security", [])),
                ]
                for name in requirement
            }
        assert used == set(found), f"unused {kind}: {set(found) - used}"
    for part in text.split('"$ref": "#/')[1:]:
        place: Any = spec
        for step in part.partition('"')[0].split("/"):
            place = place[step]


def test_every_operation_is_described_and_names_its_problems(spec: dict[str, Any]) -> None:
    ids = [o["operationId"] for _, _, o in operations(spec)]
    assert len(set(ids)) == len(ids)
    tags = {t["name"] for t in spec["tags"]}
    for path, method, operation in operations(spec):
        at = f"{method} {path}"
        assert operation["summary"], at
        assert len(operation["description"]) > 10, at
        assert set(operation["tags"]) <= tags, at
        assert any(status.startswith(("2", "302")) for status in operation["responses"]), at
        if path.startswith("/api/v1"):
            assert {"401", "404", "429", "500", "503"} <= operation["responses"].keys(), at
            names = {p["name"] for p in operation.get("parameters", [])}
            assert ("Idempotency-Key" in names) == (method == "post" and "/auth/" not in path), at
            for status, response in operation["responses"].items():
                assert ("$ref" in response) == (int(status) >= 400), f"{at} {status}"
        for parameter in operation.get("parameters", []):
            assert parameter.get("description") or parameter["schema"].get("description"), f"{at} {parameter['name']}"


def test_conditional_changes_require_their_header(spec: dict[str, Any]) -> None:
    for path, method, operation in operations(spec):
        matching = [p for p in operation.get("parameters", []) if p["name"] == "If-Match"]
        by_offset = path.endswith("/partial-uploads/{partial_id}")  # the offset says what the caller has seen
        if (method == "patch" and not by_offset) or (method == "put" and path.endswith(("/order", "/draft"))):
            assert matching[0]["required"] is True, path
            assert {"412", "428"} <= operation["responses"].keys(), path
        else:
            assert not matching, path


def test_every_problem_has_an_example_that_fits_its_schema(spec: dict[str, Any]) -> None:
    examples = spec["components"]["examples"]
    assert set(examples) >= {s.value for s in Slug}
    check = Draft202012Validator({**spec["components"]["schemas"]["Problem"], "components": spec["components"]})
    for slug in Slug:
        example = examples[slug.value]["value"]
        check.validate(example)
        assert example["type"] == f"/problems/{slug}"


def test_examples_of_requests_fit_their_schemas(spec: dict[str, Any]) -> None:
    root = {"$defs": spec["components"]["schemas"]}
    text = json.dumps(spec["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/")
    root["$defs"] = json.loads(text)
    found = 0
    for name, schema in root["$defs"].items():
        for field, inner in schema.get("properties", {}).items():
            for example in inner.get("examples", []):
                if "…" in str(example) or "ID" in str(example):
                    continue
                Draft202012Validator({**inner, **root}).validate(example), f"{name}.{field}"
                found += 1
    assert found > 40


def test_the_document_is_valid_openapi(spec: dict[str, Any]) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(spec)


def test_the_reader_loads_nothing_from_other_servers() -> None:
    for name in ("index.html", "reader.css", "reader.js"):
        source = (READER / name).read_text("utf-8")
        assert not re.search(r"https?://|[\"'(]//|@import|innerHTML|eval\(", source), name


def test_every_body_has_an_example_that_fits_it(spec: dict[str, Any]) -> None:
    root = {"$defs": json.loads(json.dumps(spec["components"]["schemas"]).replace("#/components/schemas/", "#/$defs/"))}
    for path, method, operation in operations(spec):
        bodies = [
            operation.get("requestBody", {}),
            *(r for status, r in operation["responses"].items() if status.startswith("2") and "$ref" not in r),
        ]
        for body in bodies:
            for kind, media in body.get("content", {}).items():
                if kind != "application/json":
                    continue
                at = f"{method} {path}"
                assert ("example" in media) != ("examples" in media), at
                schema = json.loads(json.dumps(media["schema"]).replace("#/components/schemas/", "#/$defs/"))
                for example in _examples(spec, media):
                    Draft202012Validator({**schema, **root}).validate(example), at


def _examples(spec: dict[str, Any], media: dict[str, Any]) -> list[Any]:
    if "example" in media:
        return [media["example"]]
    return [spec["components"]["examples"][e["$ref"].rpartition("/")[2]]["value"] for e in media["examples"].values()]


def test_every_resource_links_to_what_can_be_done_with_it(spec: dict[str, Any]) -> None:
    ids = {o["operationId"]: (path, method) for path, method, o in operations(spec)}
    reached = set()
    for link in spec["components"]["links"].values():
        path, _ = ids[link["operationId"]]
        assert set(link["parameters"]) == {part[1:-1] for part in path.split("/") if part.startswith("{")}
        reached.add(link["operationId"])
    named = {i for i, (path, method) in ids.items() if "{" in path and method != "delete"}
    by_hand = {"media_media", "site_problem", "projects_put_member"}  # URLs and people come from elsewhere
    assert named - reached <= by_hand


def test_streams_and_media_have_their_types(spec: dict[str, Any]) -> None:
    for path, item in spec["paths"].items():
        kinds = set(item.get("get", {}).get("responses", {}).get("200", {}).get("content", {}))
        if path.endswith("/events"):
            assert kinds == {"text/event-stream"}, path
            assert {"200", "401", "429", "503"} <= item["get"]["responses"].keys()
        elif "/media/" in path:
            assert "application/octet-stream" in kinds, path


def test_errors_carry_the_headers_that_tell_what_to_do(spec: dict[str, Any]) -> None:
    wanted = {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After", "503": "Retry-After"}
    for path, method, operation in operations(spec):
        if not path.startswith("/api/v1"):
            continue
        for status, name in wanted.items():
            response = operation["responses"].get(status)
            if response is not None:
                shared = spec["components"]["responses"][response["$ref"].rpartition("/")[2]]
                assert name in shared["headers"], f"{method} {path} {status}"


def test_every_shape_and_every_field_says_what_it_means(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]
    silent = [name for name, schema in schemas.items() if not schema.get("description")]
    silent += [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, inner in schema.get("properties", {}).items()
        if not inner.get("description") and "$ref" not in inner  # else what it refers to says it
    ]
    assert silent == []


def test_a_description_explains_null_where_there_is_one(spec: dict[str, Any]) -> None:
    """A description that belongs to another field of the same name is mostly seen by this."""
    wrong = [
        f"{name}.{field}: {inner['description']}"
        for name, schema in spec["components"]["schemas"].items()
        for field, inner in schema.get("properties", {}).items()
        if re.search(r"\bnull: ", inner.get("description", "")) and {"type": "null"} not in inner.get("anyOf", [])
    ]
    assert wrong == []


def test_documents_are_typed_and_one_example_has_everything(spec: dict[str, Any]) -> None:
    schemas = spec["components"]["schemas"]

    def names(body: str, field: str) -> set[str]:
        text = json.dumps(schemas[body]["properties"][field])
        return {found.rpartition("/")[2] for found in re.findall(r'"\$ref": "([^"]+)"', text)}

    assert names("NewImport", "document") == {"ImportedDocument"}
    assert names("NewEpisode", "segments") == {"DocumentSegment"}
    assert names("NewEpisode", "output") == names("EpisodeChanges", "output") == {"NewOutput"}
    assert names("SceneInfo", "dialogue") == {"SpokenLine"}
    example = spec["components"]["examples"]["NewImport"]["value"]["document"]
    plan = parse_document(example)
    assert list(plan.warnings) == []
    first, second = plan.segments
    assert first.scene_info["dialogue"] == [{"character": "Ann", "text": "The day begins."}]
    assert first.transition_after is not None
    assert first.starting_image is not None
    assert second.starting_image is not None
    assert set(example) == set(schemas["ImportedDocument"]["properties"])
    assert set(example["segments"][0]) == set(schemas["ImportedSegment"]["properties"])


def test_no_list_of_values_has_fractions(spec: dict[str, Any]) -> None:
    """Generators of typed languages make an enum that does not compile from them."""
    listed = [
        f"{name}.{field}"
        for name, schema in spec["components"]["schemas"].items()
        for field, inner in schema.get("properties", {}).items()
        if any(isinstance(value, float) for value in inner.get("enum", []))
    ]
    assert listed == []
