"""Models of the catalogue."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.gateway.api.schemas.base import ListOf, Resource


class Model(Resource):
    """A model that can be asked, with what it takes."""

    slug: str = Field(examples=["animatic/camera"], description="Its name in settings and requests.")
    provider: str = Field(description="Who makes it, such as animatic or replicate.")
    title: str = Field(description="For people.")
    kinds: list[str] = Field(description="What it can make.")
    default_for: list[str] = Field(description="Kinds for which it is taken when nobody names a model.")
    settings_schema: dict[str, Any] = Field(description="JSON Schema of the settings, for forms.")
    price: dict[str, Any] | None = Field(description="What a run costs; null: nothing.")
    takes_seed: bool = Field(description="Whether the same seed makes the same again.")
    makes_sound: bool = Field(description="Whether its videos have sound.")
    max_prompt_chars: int | None = Field(description="Longer directions are refused; null: no limit of its own.")
    notes: str = Field(description="What else to know.")
    limits: dict[str, float | None] = Field(
        description="What the provider lets through, of all together: requests per minute, and at once.",
        examples=[{"per_minute": 600, "at_once": None}],
    )
    usable: bool = Field(description="Whether a run of it can be made here now.")
    unusable_reason: str | None = Field(description="What is missing, and how to get it.")


class ModelList(ListOf[Model]):
    """Newest first; segments in film order."""
