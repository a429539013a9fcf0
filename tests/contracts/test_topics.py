"""The topics, checked against the models, the committed schemas and every released example."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shared.contracts.base import Event
from shared.contracts.docs import generate
from shared.contracts.docs.asyncapi import document, schema_of
from shared.contracts.docs.compatibility import breaks
from shared.contracts.docs.samples import SAMPLES, sample_envelope
from shared.contracts.topics import TOPICS, Service, consumed_by, produced_by
from shared.messaging.events import read_message

CONTRACTS = Path(generate.__file__).parents[1]
ARCHITECTURE = CONTRACTS.parents[1] / "docs" / "architecture.md"
PUBLIC = {"regenerate-requested", "preview-ready", "accepted", "rejected", "complete"}


def _released(what: str) -> list[Path]:
    return sorted(CONTRACTS.glob(f"released/*/{what}/*.json"))


def _release_and_name(path: Path) -> str:
    return f"{path.parts[-3]}-{path.name}"


def test_generated_files_are_current() -> None:
    assert generate.differing() == []


def test_every_event_of_a_module_belongs_to_that_service_and_has_a_topic() -> None:
    for service in Service:
        module = importlib.import_module(f"shared.contracts.events.{service}")
        defined = {
            c.TOPIC
            for _, c in inspect.getmembers(module, inspect.isclass)
            if issubclass(c, Event) and c.__module__ == module.__name__ and "TOPIC" in vars(c)
        }
        assert defined == {t.name for t in produced_by(service)}


def test_a_topic_is_never_consumed_by_its_producer() -> None:
    assert not [t.name for t in TOPICS.values() if t.producer in t.consumers]


def test_every_topic_is_consumed() -> None:
    assert {t.name for s in Service for t in consumed_by(s)} == set(TOPICS)


@pytest.mark.parametrize("service", Service)
def test_the_architecture_and_the_package_say_what_a_service_consumes_and_publishes(service: Service) -> None:
    rows = [line.split("|") for line in ARCHITECTURE.read_text().splitlines() if line.startswith(f"| {service} |")]
    ((_, _, _, consumes, publishes, _),) = rows
    assert {name.strip() for name in publishes.split(",")} == {t.name for t in produced_by(service)}
    if consumes.strip() == "every topic of the other services":
        assert set(consumed_by(service)) == {t for t in TOPICS.values() if t.producer is not service}
    else:
        assert {name.strip() for name in consumes.split(",")} == {t.name for t in consumed_by(service)}
    text = importlib.import_module(f"services.{service}").__doc__ or ""
    named = {t.name for t in TOPICS.values() if re.search(rf"(?<![\w-]){t.name}(?![\w-])", text)}
    everything = "Consumes everything that the other services publish" in text
    assert named == {t.name for t in (*produced_by(service), *(() if everything else consumed_by(service)))}


def test_the_public_loop_keeps_its_names() -> None:
    assert {t.name for t in TOPICS.values() if t.public} == PUBLIC


@pytest.mark.parametrize("topic", TOPICS)
def test_an_example_survives_headers_and_body_unchanged(topic: str) -> None:
    event = SAMPLES[topic]
    envelope = sample_envelope(event)
    read = read_message(topic, envelope.headers(), event.model_dump_json().encode())
    assert (read.event, read.envelope) == (event, envelope)


@pytest.mark.parametrize("topic", TOPICS)
def test_an_example_satisfies_the_published_schema(topic: str) -> None:
    jsonschema.validate(json.loads(SAMPLES[topic].model_dump_json()), schema_of(TOPICS[topic]))


@pytest.mark.parametrize("path", _released("examples"), ids=_release_and_name)
def test_every_released_example_still_parses(path: Path) -> None:
    topic = TOPICS[path.name.removesuffix(".v1.json")]
    topic.event.model_validate_json(path.read_text("utf-8"))


@pytest.mark.parametrize("path", _released("schemas"), ids=_release_and_name)
def test_only_optional_additions_since_a_release(path: Path) -> None:
    topic = TOPICS[path.name.removesuffix(".v1.json")]
    assert breaks(json.loads(path.read_text("utf-8")), schema_of(topic)) == []


def test_an_unknown_field_is_ignored() -> None:
    body = json.loads(SAMPLES["accepted"].model_dump_json()) | {"mood": "good"}
    envelope = sample_envelope(SAMPLES["accepted"])
    assert read_message("accepted", envelope.headers(), json.dumps(body).encode()).event == SAMPLES["accepted"]


def test_asyncapi_references_resolve() -> None:
    whole = document("0")

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(ref := node.get("$ref"), str):
                target: object = whole
                for part in ref.removeprefix("#/").split("/"):
                    assert isinstance(target, dict), ref
                    assert part in target, ref
                    target = target[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(whole)


def test_asyncapi_names_one_sender_and_every_receiver() -> None:
    operations = document("0")["operations"].values()
    for topic in TOPICS.values():
        of_topic = [o for o in operations if o["channel"]["$ref"] == f"#/channels/{topic.name}"]
        assert [o["tags"][0]["name"] for o in of_topic if o["action"] == "send"] == [topic.producer]
        assert {o["tags"][0]["name"] for o in of_topic if o["action"] == "receive"} == set(topic.consumers)


def _fields(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of every object, at any depth."""
    if isinstance(schema, dict):
        if isinstance(properties := schema.get("properties"), dict):
            yield from ((f"{path}.{name}", field) for name, field in properties.items())
        for name, part in schema.items():
            yield from _fields(part, f"{path}/{name}")
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from _fields(part, f"{path}/{number}")


def test_every_field_of_every_event_says_what_it_is() -> None:
    """At the field itself: a description that tools look up by name would be wrong where one name means two things."""
    fields = dict(_fields(document("0.0.0")["components"]))
    assert len(fields) > 300
    assert [path for path, field in fields.items() if not field.get("description")] == []
    short = [path for path, field in fields.items() if len(field["description"]) < 6 or field["description"][-1] != "."]
    # One word that is the whole truth, or a literal value.
    assert [path for path in short if not re.fullmatch(r"`.+`", fields[path]["description"])] == []


def test_every_event_and_value_says_what_it_is() -> None:
    schemas = document("0.0.0")["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema.get("description") and "enum" not in schema] == []
