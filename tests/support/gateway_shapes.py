"""Bodies of the API, held against the shapes that it documents."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel


def same_shape(model: type[BaseModel], body: Any, at: str = "") -> None:
    """The body has exactly the fields that the API documents, each of a type that it documents."""
    model.model_validate(body)
    names = {f.serialization_alias or name for name, f in model.model_fields.items()}
    open_ended = model.__name__ == "GenerationParams"  # with the settings of whatever model it was
    extra = set() if open_ended else set(body) - names
    left_out = {f.serialization_alias or name for name, f in model.model_fields.items() if f.exclude_if is not None}
    assert not extra and names - left_out <= set(body), f"{at or model.__name__}: {sorted(set(body) ^ names)}"
    for name, info in model.model_fields.items():
        _inner(info.annotation, body.get(info.serialization_alias or name), f"{at or model.__name__}.{name}")


def _inner(annotation: Any, value: Any, at: str) -> None:
    if value is None:
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        same_shape(annotation, value, at)
        return
    inner = get_args(annotation)
    origin = get_origin(annotation)
    if origin is list:
        for n, item in enumerate(value):
            _inner(inner[0], item, f"{at}[{n}]")
    elif origin is dict:
        for key, item in value.items():
            _inner(inner[1], item, f"{at}.{key}")
    elif origin in (Union, UnionType) or origin is not None:
        for choice in inner:
            if (isinstance(choice, type) and issubclass(choice, BaseModel) and isinstance(value, dict)) or (
                get_origin(choice) in (list, dict) and isinstance(value, list | dict)
            ):
                _inner(choice, value, at)
