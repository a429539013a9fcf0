"""Settings of the generator, from the environment with the prefix GENERATOR_."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.core.settings import ServiceSettings


def _plain(name: str) -> AliasChoices:
    """As Replicate's own tools call it, or with our prefix."""
    return AliasChoices(f"GENERATOR_{name}", name)


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GENERATOR_", frozen=True, extra="ignore", populate_by_name=True)

    default_provider: str = Field("animatic", description="whose models are the built-in defaults")
    catalogue: Path | None = Field(None, description="JSON file of models on top of the built-in ones")
    renders_at_once: int = Field(
        default_factory=lambda: os.cpu_count() or 2,
        ge=1,
        description="videos drawn and encoded on this machine's cores",
    )
    drawings_at_once: int = Field(2, ge=1, description="cards, speech and music: a core each, for seconds")
    calls_at_once: int = Field(200, ge=1, description="calls to providers elsewhere")
    ingests_at_once: int = Field(2, ge=1, description="uploads, downloads and imports made safe")
    splits_at_once: int = Field(1, ge=1, description="films that are split into clips: each wants two cores")
    max_attempts: int = Field(4, ge=1, description="how often transient failures of a run are tried")
    queued_hours: float = Field(24, gt=0, description="a run that no worker has taken for so long fails")
    generating_hours: float = Field(2, gt=0, description="a run that is at work for so long fails")

    replicate_api_token: SecretStr | None = Field(
        None, validation_alias=_plain("REPLICATE_API_TOKEN"), description="without one its models say how to get it"
    )
    replicate_base_url: str = Field(
        "", validation_alias=_plain("REPLICATE_BASE_URL"), description="without /v1; empty: Replicate's own"
    )
    replicate_webhook_url: str | None = Field(
        None,
        validation_alias=_plain("REPLICATE_WEBHOOK_URL"),
        description="public https address that leads to POST /webhooks/replicate; without one, polling does it all",
    )
    replicate_webhook_secret: SecretStr | None = Field(
        None,
        validation_alias=_plain("REPLICATE_WEBHOOK_SECRET"),
        description="whsec_…; two with a comma between them while the secret is being changed",
    )
    replicate_cancel_after_s: int = Field(1800, ge=5, le=86400, description="Replicate ends a prediction by itself")
    replicate_request_s: float = Field(60.0, gt=0, description="how long an answer may take")
    replicate_settle_s: float = Field(120.0, gt=0, description="a request unseen for so long never arrived")
    replicate_poll_s: float = Field(2.0, gt=0)
    replicate_pause_s: float = Field(300.0, gt=0, description="after a refused token or spent credit")

    @model_validator(mode="after")
    def _settles_after_answers(self) -> Self:
        if self.replicate_settle_s <= self.replicate_request_s:
            raise ValueError("replicate_settle_s must be longer than replicate_request_s")
        return self

    @property
    def replicate_webhook_secrets(self) -> list[str]:
        secret = self.replicate_webhook_secret
        return [s.strip() for s in secret.get_secret_value().split(",") if s.strip()] if secret else []
