"""Settings of the review service, from environment variables with the prefix REVIEW_."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from shared.core.settings import Role, ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="REVIEW_", frozen=True, extra="ignore")

    expiry_settled_s: float = Field(
        120.0,
        description="seconds for which the broker must be healthy and every decision read before reviews may expire",
    )

    @field_validator("role")
    @classmethod
    def _consumes(cls, value: Role) -> Role:
        if not value.has_events:
            raise ValueError("review has no work beside its events: use all")
        return value
