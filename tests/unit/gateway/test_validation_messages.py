"""Whatever is wrong with an input, a person reads a sentence that names the field and says what it must be."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from services.gateway.domain.validation_messages import describe_error, field_name, path_within, to_sentence

RAW = re.compile(r"Input should|Extra inputs|Field required|valid integer|Value error|permitted")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[float, Field(gt=0, le=60)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(min_length=1, max_length=5)]
    mode: Literal["sequential", "parallel"] = "sequential"
    count: Annotated[int, Field(ge=1)] = 1
    wait: bool = False
    parts: Annotated[list[Inner], Field(max_length=2)] = []
    skip: bool | list[str] = False


def sentences(**given: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Request.model_validate(given)
    errors = []
    for e in caught.value.errors():
        path = path_within(e["loc"], given, missing=e["type"] == "missing")
        errors.append(to_sentence("".join(f"/{p}" for p in path), describe_error(e)))
    return errors


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "title is required."),
        ({"title": ""}, "title must not be empty."),
        ({"title": "longer"}, "title must have at most 5 characters."),
        ({"title": 7}, "title must be a string."),
        ({"title": "a", "colour": 1}, "colour is not a known field; remove it or check its spelling."),
        ({"title": "a", "mode": "fast"}, "mode must be 'sequential' or 'parallel'."),
        ({"title": "a", "count": 0}, "count must be at least 1."),
        ({"title": "a", "count": "x"}, "count must be a whole number."),
        ({"title": "a", "wait": "soon"}, "wait must be true or false."),
        ({"title": "a", "parts": {}}, "parts must be a list."),
        ({"title": "a", "parts": [{"seconds": 61}]}, "parts[0].seconds must be at most 60.0."),
        ({"title": "a", "parts": [{"seconds": 1}, 5]}, "parts[1] must be an object."),
    ],
)
def test_what_is_wrong_is_said_in_a_to_sentence(given: dict[str, Any], text: str) -> None:
    assert sentences(**given) == [text]


def test_the_alternatives_of_a_union_are_no_part_of_the_path() -> None:
    assert sentences(title="a", skip=[1]) == ["skip must be true or false.", "skip[0] must be a string."]


@pytest.mark.parametrize("error", list_all_errors(), ids=lambda e: str(e["type"]))
def test_every_error_that_pydantic_knows_has_our_words(error: Any) -> None:
    example = {"type": error["type"], "msg": error["example_message_python"], "ctx": error["example_context"] or {}}
    text = to_sentence("/title", describe_error(example))
    assert text.endswith(".")
    assert not RAW.search(text), text


def test_a_detail_that_has_its_own_subject_stays_as_it_is() -> None:
    assert to_sentence("/version_id", "There are several candidates") == "There are several candidates."
    assert [field_name(p) for p in ("", "/a~1b/0/c", "query:limit", "header:If-Match")] == [
        "The body",
        "a/b[0].c",
        "The query parameter limit",
        "The header If-Match",
    ]
