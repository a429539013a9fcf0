"""Settings of the provider, from the environment, and the limits that Replicate's documentation states."""

from __future__ import annotations

from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

BASE_URL: Final = "https://api.replicate.com"

# https://replicate.com/docs/reference/http: a data URI of at most 256 kB, a file of at most 100 MB.
MAX_DATA_URI: Final = 256_000
MAX_FILE: Final = 100_000_000
RETENTION_S: Final = 3600.0
"""How long Replicate keeps inputs and outputs after a prediction has ended."""


def _env(name: str) -> AliasChoices:
    """With our prefix, or with the name that Replicate's own tools use."""
    return AliasChoices(f"GENERATOR_{name}", name)


class ReplicateSettings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="GENERATOR_REPLICATE_", frozen=True, extra="ignore", populate_by_name=True
    )

    api_token: SecretStr | None = Field(
        None,
        validation_alias=_env("REPLICATE_API_TOKEN"),
        description="API token; without it Replicate models are unavailable",
    )
    base_url: str = Field(
        BASE_URL, validation_alias=_env("REPLICATE_BASE_URL"), description="URL of the API, without /v1"
    )
    webhook_url: str | None = Field(
        None,
        validation_alias=_env("REPLICATE_WEBHOOK_URL"),
        description="public https URL of POST /webhooks/replicate; without it predictions are only polled",
    )
    webhook_secret: SecretStr | None = Field(
        None,
        validation_alias=_env("REPLICATE_WEBHOOK_SECRET"),
        description="whsec_…; two secrets separated by a comma while the secret is being rotated",
    )
    cancel_after_s: int = Field(
        1800,
        ge=5,
        le=86400,
        description="seconds after which Replicate cancels a prediction",
    )
    request_s: float = Field(60.0, gt=0, description="timeout of a request in seconds")
    settle_s: float = Field(
        120.0, gt=0, description="seconds after which a prediction that is not in the account's list was never created"
    )
    poll_s: float = Field(2.0, gt=0, description="seconds between two polls of a prediction")
    pause_s: float = Field(300.0, gt=0, description="seconds without calls after Replicate reports insufficient credit")

    @model_validator(mode="after")
    def _settles_after_the_timeout(self) -> Self:
        if self.settle_s <= self.request_s:
            raise ValueError("settle_s must be longer than request_s")
        return self

    @property
    def token(self) -> str | None:
        return self.api_token.get_secret_value().strip() or None if self.api_token else None

    @property
    def webhook_secrets(self) -> list[str]:
        secret = self.webhook_secret
        return [s.strip() for s in secret.get_secret_value().split(",") if s.strip()] if secret else []

    @property
    def api_url(self) -> str:
        """Without /v1 and without a slash at the end."""
        return (self.base_url or BASE_URL).rstrip("/").removesuffix("/v1")

    @property
    def is_local(self) -> bool:
        """An API on this machine: its requests go through no proxy."""
        return self.host.hostname in ("127.0.0.1", "::1", "localhost")

    @property
    def host(self) -> SplitResult:
        return urlsplit(self.api_url)
