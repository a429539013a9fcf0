"""What is wrong with a field, as a sentence for a person: from pydantic's errors and from our own.

Every detail of an error follows one rule. One that begins in lower case is a predicate, and the field is its subject:
"must be at most 60". One that begins with a capital letter is a sentence of its own: "Give either upload_id or url."
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_MESSAGES: Final[Mapping[str, str]] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field; remove it or check its spelling",
    "string_type": "must be a string",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must have the form {pattern}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "decimal_type": 'must be a decimal number such as "12.50"',
    "decimal_parsing": 'must be a decimal number such as "12.50"',
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "mapping_type": "must be an object",
    "too_long": "must have at most {max_length} items",
    "none_required": "must be null",
    "datetime_type": "must be a time such as 2026-01-01T00:00:00Z",
    "datetime_parsing": "must be a time such as 2026-01-01T00:00:00Z",
    "datetime_from_date_parsing": "must be a time such as 2026-01-01T00:00:00Z",
    "timezone_aware": "must be a time with its zone, such as 2026-01-01T00:00:00Z",
    "url_parsing": "must be a complete URL such as https://example.com/picture.png",
    "url_scheme": "must be a URL that begins with {expected_schemes}",
}
"""By pydantic's type of error, formatted with the members of its `ctx`."""

_REPLACEMENTS: Final = (
    ("Input should be", "must be"),
    ("Input should", "must"),
    ("Value should", "must"),
    ("Input must", "must"),
    ("Value error, ", ""),
    ("Assertion failed, ", ""),
)
"""Turn pydantic's other messages into predicates."""


def describe_error(error: Mapping[str, Any]) -> str:
    """The detail of one of pydantic's errors, for `to_sentence`."""
    kind, ctx = error["type"], error.get("ctx", {})
    match kind:
        case "string_too_short" | "too_short" if ctx["min_length"] == 1:
            return "must not be empty"
        case "string_too_short":
            return f"must have at least {ctx['min_length']} characters"
        case "too_short":
            return f"must have at least {ctx['min_length']} items"
        case _ if kind in _MESSAGES:
            return _MESSAGES[kind].format(**ctx)
        case _:
            text = str(error["msg"])
            for theirs, ours in _REPLACEMENTS:
                text = text.replace(theirs, ours)
            return text


def to_sentence(pointer: str, detail: str) -> str:
    """`/segments/0/duration` and "must be at most 60" make "segments[0].duration must be at most 60."."""
    text = detail.strip()
    if text[:1].islower():
        text = f"{field_name(pointer)} {text}"
    return text if text.endswith((".", "?", "!")) else text + "."


def field_name(pointer: str) -> str:
    """The name that people use for what a JSON Pointer, `query:limit` or `header:If-Match` points at."""
    where, colon, name = pointer.partition(":")
    if colon and not where.startswith("/"):
        return {"query": f"The query parameter {name}", "header": f"The header {name}"}.get(where, f"{name} ({where})")
    name = ""
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        name += f"[{part}]" if part.isdigit() else f".{part}" if name else part
    return name or "The body"


def path_within(loc: Sequence[str | int], value: Any, *, missing: bool) -> list[str | int]:
    """The parts of pydantic's `loc` that are a path into `value`; it also names the alternatives of a union. With
    `missing`, the last part is the name of a field that is not there, and is kept."""
    path: list[str | int] = []
    for i, part in enumerate(loc):
        if (isinstance(value, Mapping) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value)
        ):
            value = value[part]  # type: ignore[index]
        elif not (missing and i == len(loc) - 1):
            continue
        path.append(part)
    return path
