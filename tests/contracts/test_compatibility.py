"""The compatibility check finds changes that break a reader or writer of the old schema, and only those."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from shared.contracts.docs.compatibility import breaks


class Inner(BaseModel):
    a: int


class Old(BaseModel):
    name: str
    inner: Inner
    maybe: int | None = None
    tags: list[Inner] = []


def _schema(model: type[BaseModel]) -> dict[str, object]:
    return model.model_json_schema(mode="serialization")


def test_nothing_changed() -> None:
    assert breaks(_schema(Old), _schema(Old)) == []


def test_an_optional_addition_is_allowed() -> None:
    class New(Old):
        extra: str | None = None

    assert breaks(_schema(Old), _schema(New)) == []


class Removed(BaseModel):
    name: str
    inner: Inner
    tags: list[Inner] = []


class Retyped(Old):
    name: int  # type: ignore[assignment]


class Stricter(Old):
    extra: str


class OtherInner(BaseModel):
    b: int


class Nested(BaseModel):
    name: str
    inner: OtherInner
    maybe: int | None = None
    tags: list[OtherInner] = []


class NoLongerNull(Old):
    maybe: int = 0  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("new", "path"),
    [
        (Removed, "/maybe"),
        (Retyped, "/name"),
        (Stricter, "/extra"),
        (Nested, "/inner/a"),
        (NoLongerNull, "/maybe"),
    ],
)
def test_a_break_is_found_and_located(new: type[BaseModel], path: str) -> None:
    assert any(path in found for found in breaks(_schema(Old), _schema(new)))
