"""The reference of the HTTP API as Markdown, made from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

Json = dict[str, Any]

_HEAD: Final = """# HTTP API

Made by `make contracts` from [openapi.json](openapi.json); do not edit. A running gateway serves the same with a
reader at `/docs`, also offline. The story of one film, call by call: [the guide for frontends](../guide/frontend.md).

Every answer that is not a success is `application/problem+json`; switch on its `type`. Every POST takes an
`Idempotency-Key`. Lists take `limit` and `cursor`. Where a route wants `If-Match`, send the `ETag` of what you read.
"""
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def api_reference(document: Json) -> str:
    """Routes in the order of their tags, then the schemas that they name."""
    tags: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if operation := item.get(method):
                lines = tags.setdefault(operation.get("tags", ["other"])[0], [])
                lines += _route(method, path, operation)
    index = [f"- [{tag}](#{_anchor(tag)})" for tag in tags]
    parts = [_HEAD, "", *index, "- [schemas](#schemas)", ""]
    told = {tag["name"]: tag.get("description", "").strip() for tag in document.get("tags", [])}
    for tag, lines in tags.items():
        parts += [f"## {tag}", "", told.get(tag, ""), "", *lines]
    parts += ["## schemas", ""]
    for name, schema in document["components"]["schemas"].items():
        parts += _schema(name, schema)
    return "\n".join(line.rstrip() for line in parts).rstrip() + "\n"


def _route(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"### {method.upper()} {path}"
    yield ""
    summary, description = operation.get("summary", ""), operation.get("description", "")
    yield from (f"**{summary}**", "") if summary else ()
    yield from (description, "") if description else ()
    for parameter in operation.get("parameters", []):
        if parameter.get("in") in ("query", "header"):
            need = "" if parameter.get("required") else " (optional)"
            told = " ".join(str(parameter.get("description") or "").split())
            yield f"- {parameter['in']} `{parameter['name']}`{need}: {told or _type(parameter.get('schema', {}))}"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"- body `{kind}`: {_type(content.get('schema', {}))}"
    for status, response in operation.get("responses", {}).items():
        if status.startswith(("2", "3")):
            content = response.get("content", {})
            types = {
                "a stream" if kind == "text/event-stream" else _type(c["schema"])
                for kind, c in content.items()
                if c.get("schema")
            }
            yield f"- {status}: {', '.join(sorted(types)) or ' '.join(response.get('description', '').split())}"
    yield from _events(operation)
    refusals = [r for status, r in operation.get("responses", {}).items() if status.startswith(("4", "5"))]
    if slugs := list(dict.fromkeys(slug for response in refusals for slug in _slugs(response))):
        yield f"- problems: {', '.join(slugs)}"
    yield ""


def _events(operation: Json) -> Iterator[str]:
    """Of a stream: the data of each event, by its name."""
    content = operation.get("responses", {}).get("200", {}).get("content", {}).get("text/event-stream", {})
    for event in content.get("schema", {}).get("oneOf", []):
        yield f"  - event `{event['title']}`: {_type(event['properties']['data']['contentSchema'])}"


def _slugs(response: Json) -> list[str]:
    """The problem types of a refusal: its component is named by them."""
    return str(response.get("$ref", "")).rpartition("/")[2].split(".") if "$ref" in response else []


def _schema(name: str, schema: Json) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    yield from (schema["description"], "") if schema.get("description") else ()
    yield from (", ".join(f"`{v}`" for v in schema["enum"]), "") if "enum" in schema else ()
    if properties := schema.get("properties"):
        required = set(schema.get("required", []))
        yield "| field | type | |"
        yield "|---|---|---|"
        for field, spec in properties.items():
            told = " ".join(str(spec.get("description") or "").split()).replace("|", "\\|")
            kind = _type(spec).replace("|", "\\|")
            yield f"| `{field}`{'' if field in required else ' (optional)'} | {kind} | {told} |"
        yield ""


def _type(schema: Json) -> str:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[union]))
    if "allOf" in schema:
        return " and ".join(_type(one) for one in schema["allOf"])
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(schema.get("format") or kind)


def _anchor(title: str) -> str:
    """As renderers of Markdown make it: lower case, spaces as hyphens, other signs dropped."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
