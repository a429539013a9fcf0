"""Settings of review, from the environment with the prefix REVIEW_."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="REVIEW_", frozen=True, extra="ignore")

    expiry_settled_s: float = Field(
        120.0, description="reviews expire only after the broker was well this long: no decision can be on its way unseen")
