"""Examples of bodies, made from their schemas: the fields' own examples, else plain values of the right type."""

from __future__ import annotations

from typing import Any, Final

_TIME: Final = "2026-01-01T00:00:00.000000Z"
_PLAIN: Final[dict[str, Any]] = {
    "string": "text",
    "integer": 1,
    "number": 1.0,
    "boolean": False,
    "object": {},
    "null": None,
}


def add_examples(spec: dict[str, Any]) -> None:
    """One per named schema that is a body, in the document's components; the bodies refer to it."""
    schemas, examples = spec["components"]["schemas"], spec["components"]["examples"]
    for item in spec["paths"].values():
        for operation in item.values():
            bodies = [(operation.get("requestBody", {}), True)]
            bodies += [(response, False) for status, response in operation["responses"].items() if status[0] == "2"]
            for body, sent in bodies:
                media = body.get("content", {}).get("application/json", {})
                if not media or "example" in media:
                    continue
                name = _name(media["schema"])
                examples[name] = {"summary": name, "value": example_of(media["schema"], schemas, sent=sent)}
                media["examples"] = {name: {"$ref": f"#/components/examples/{name}"}}


def _name(schema: dict[str, Any]) -> str:
    """Of a reference, also of one that may be null."""
    for inner in (schema, *schema.get("anyOf", [])):
        if "$ref" in inner:
            return str(inner["$ref"]).rpartition("/")[2]
    raise ValueError(f"a body has no name: {schema}")


def example_of(schema: dict[str, Any], schemas: dict[str, Any], *, sent: bool, depth: int = 0) -> Any:
    """A value that the schema takes. `sent`: a request's, which leaves out what has no example and is not required."""
    if "$ref" in schema:
        return example_of(schemas[_name(schema)], schemas, sent=sent, depth=depth)
    if found := schema.get("examples"):
        return found[0]
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if "enum" in schema:
        return schema["enum"][0]
    if choices := schema.get("anyOf"):
        null = {"type": "null"} in choices and (depth > 3 or not _is_telling(choices))
        return None if null else example_of(choices[0], schemas, sent=sent, depth=depth)
    return _of_type(schema, schemas, sent, depth)


def _is_telling(choices: list[dict[str, Any]]) -> bool:
    """Better than null: a named shape, a time, a number."""
    return (
        "$ref" in choices[0]
        or choices[0].get("format") == "date-time"
        or choices[0].get("type") in ("number", "integer")
    )


def _of_type(schema: dict[str, Any], schemas: dict[str, Any], sent: bool, depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        required = schema.get("required", [])
        return {
            name: example_of(inner, schemas, sent=sent, depth=depth + 1)
            for name, inner in schema["properties"].items()
            if not sent or name in required or "examples" in inner
        }
    if kind == "array":
        return [] if depth > 3 else [example_of(schema["items"], schemas, sent=sent, depth=depth + 1)]
    if kind == "string" and schema.get("format") == "date-time":
        return _TIME
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), dict):
        return {"name": example_of(inner, schemas, sent=sent, depth=depth + 1)} if inner else {}
    if kind in ("integer", "number") and "minimum" in schema:
        return schema["minimum"]
    return _PLAIN[str(kind)] if kind else None
