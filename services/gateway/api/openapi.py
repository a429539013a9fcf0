"""The OpenAPI document: `python -m services.gateway.api.openapi > docs/api/openapi.json`.

Adds what the framework does not know of our API: its problems, idempotency keys, limits, links and examples.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from services.gateway.api import documents, problems
from services.gateway.api.examples import add_examples
from services.gateway.api.links import add_links
from services.gateway.api.middleware.auth import API
from services.gateway.api.schemas.events import event_schemas
from services.gateway.domain.problems import KINDS, Slug
from shared.core.clock import SystemClock

_OF_STATUS: Final = {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After", "503": "Retry-After"}


def completed(spec: dict[str, Any]) -> dict[str, Any]:
    """The framework's document, made complete enough to generate a client from; changes it in place."""
    components = spec.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas |= {name: schema for name, schema in event_schemas().items() if name not in schemas}
    components["securitySchemes"] = documents.SECURITY
    components["headers"] = documents.SHARED_HEADERS
    spec["info"] |= {"contact": documents.CONTACT, "license": documents.LICENSE}
    spec["security"] = [{"bearer": []}, {"session": []}]
    spec["servers"] = [{"url": "/", "description": "Where this document was fetched."}]
    for path, method, operation in operations(spec):
        _complete(path, method, operation)
    _share_problems(spec)
    add_links(spec)
    add_examples(spec)
    return spec


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method, operation."""
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    tags = operation.get("tags", [])
    if "workflow" in tags:
        operation["tags"] = [t for t in tags if t == "workflow"] + [t for t in tags if t != "workflow"]
    if not path.startswith(API):
        operation["responses"] = {s: r for s, r in operation["responses"].items() if s != "422"}
        operation["responses"].setdefault("400", documents.problems_response(Slug.MALFORMED))
        return
    if method != "get" and "security" not in operation:
        operation["security"] = [{"bearer": []}]
    if has_key := method == "post" and not path.startswith(f"{API}/auth"):
        operation.setdefault("parameters", []).append(documents.IDEMPOTENCY_KEY)
    for parameter in operation.get("parameters", []):
        _only_sent(parameter)
    _add_headers(path, operation, has_key=has_key)


def _only_sent(parameter: dict[str, Any]) -> None:
    """A parameter is sent or not; it is never null. Its examples lie beside its schema, where tools look for them."""
    if parameter["name"] == "If-Match":
        parameter["required"] = True
    schema = parameter["schema"]
    kept = [s for s in schema.get("anyOf", []) if s != {"type": "null"}]
    if len(kept) == 1:
        del schema["anyOf"]
        schema |= kept[0]
    if found := schema.pop("examples", None):
        parameter["examples"] = {f"example {n}" if n else "example": {"value": v} for n, v in enumerate(found)}


def _add_headers(path: str, operation: dict[str, Any], *, has_key: bool) -> None:
    limited = "/media/" not in path
    for status, response in operation["responses"].items():
        names = ["RateLimit", "RateLimit-Policy"] if limited else []
        if status in _OF_STATUS:
            names.append(_OF_STATUS[status])
        if has_key and status.startswith("2"):
            names.append("Idempotency-Replayed")
        if has_key and status in ("201", "202") and "/uploads" not in path:  # an upload has its url, and no route
            names.append("Location")
        if names:
            named = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
            response["headers"] = response.get("headers", {}) | named


def _share_problems(spec: dict[str, Any]) -> None:
    """Problems are written once, under the names of their types, and referred to."""
    components = spec["components"]
    components["examples"] = {s.value: {"summary": KINDS[s].title, "value": documents.problem_example(s)} for s in Slug}
    found = components.setdefault("responses", {})
    for _, _, operation in operations(spec):
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get(problems.MEDIA_TYPE)
            if content is None:
                continue
            slugs = sorted(content["examples"])
            content["examples"] = {s: {"$ref": f"#/components/examples/{s}"} for s in slugs}
            name = ".".join([*slugs, *([] if "RateLimit" in response.get("headers", {}) else ["unlimited"])])
            found[name] = response
            operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}


def openapi_json() -> str:
    """The document of the current code; the same bytes for the same code."""
    from services.gateway.api.app import build_app  # the app imports this module

    return json.dumps(build_app(None, SystemClock()).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_json())
