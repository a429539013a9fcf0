"""Models of the catalogue."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from services.gateway.api.schemas.base import ListOf, Resource


class Model(Resource):
    """A model that can be used, with its settings."""

    slug: str = Field(examples=["animatic/camera"], description="The name of the model in settings and requests.")
    provider: str = Field(description="The provider, such as animatic or replicate.")
    title: str = Field(description="The display name of the model.")
    kinds: list[str] = Field(description="The kinds of asset that it generates.")
    default_for: list[str] = Field(description="The kinds of asset for which it is the default model.")
    settings_schema: dict[str, Any] = Field(description="The JSON Schema of its settings, for forms.")
    price: dict[str, Any] | None = Field(description="The price of a run; null: free of charge.")
    takes_seed: bool = Field(description="Whether runs with the same seed give the same result.")
    makes_sound: bool = Field(description="Whether its videos have sound.")
    max_prompt_chars: int | None = Field(
        description="The greatest length of directions in characters; null: no limit of the model."
    )
    notes: str = Field(description="Further notes.")
    limits: dict[str, float | None] = Field(
        description="The provider's limits for all users together: requests per minute and concurrent requests.",
        examples=[{"per_minute": 600, "at_once": None}],
    )
    usable: bool = Field(description="Whether this installation can use it now.")
    unusable_reason: str | None = Field(description="Why it cannot be used, and what to do; null: it can be used.")


class ModelList(ListOf[Model]):
    """The models of this installation."""
