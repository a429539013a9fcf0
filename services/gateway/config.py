"""Settings of the gateway, from the environment with the prefix GATEWAY_."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.gateway.domain.identity import safe_url
from services.gateway.domain.quotas import Quotas
from shared.contracts.catalogue import ProviderRow
from shared.core.settings import ServiceSettings

SHORTEST_SECRET: Final = 32
"""Bytes: a key of HMAC-SHA256 should be at least as long as its output (RFC 7518, 3.2)."""


ASYMMETRIC: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Whoever verifies these cannot sign: our copy of the keys is worth nothing to a thief."""


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="ignore")

    local_mode: bool = Field(False, description="one machine, one person: /auth/token is open to the loopback")
    jwt_secret: SecretStr = Field(description="signs bearer tokens (HS256) and sessions")
    jwt_issuer: str = "retake"
    jwt_audience: str = "retake"
    oidc_issuer: str | None = Field(
        None,
        description="whose bearer tokens are taken, exactly as its `iss` writes it; null: those of the local secret",
    )
    oidc_audience: str = Field("retake", description="`aud` of tokens that are for us")
    oidc_algorithms: tuple[str, ...] = Field(
        ("RS256", "ES256", "PS256", "EdDSA"), min_length=1, description="asymmetric ones only"
    )
    oidc_leeway_s: float = Field(30.0, ge=0, le=300, description="between the issuer's clock and ours")
    media_secret: SecretStr = Field(description="signs media URLs")
    public_url: str | None = Field(None, description="what clients call us; null: each request's own origin")
    cors_origins: tuple[str, ...] = Field((), description="exact origins whose pages may call us, with credentials")
    catalogue: Path | None = Field(None, description="a model catalogue of the operator's, on top of the built-in one")
    providers: str = Field(
        "",
        description="those that the generator has a token for, with commas between; empty: "
        "those whose token is in this environment, too, as on one machine",
    )
    default_provider: str = Field("animatic", description="whose model is used when nobody names one")
    step_by_step_share: float = Field(
        1.0, ge=0, le=1, description="of projects that did not choose a workflow; the others generate in one go"
    )
    rate_quota: int = Field(600, ge=1, description="requests per user, or per address of who is not signed in")
    rate_window_s: int = Field(60, ge=1)
    generations_per_day: int | None = Field(
        5000,
        ge=1,
        description="generations that one user may ask for in any 24 hours, each variant counted; null: "
        "as many as they like",
    )
    spend_per_month: Decimal | None = Field(
        None,
        ge=0,
        description="US dollars that one user's runs may cost in a calendar month (UTC), beside the caps "
        "of projects; null: as much as they like",
    )
    requests_at_once: int = Field(256, ge=1, description="being answered here; more are told to come back in a second")
    waits_at_once: int = Field(2000, ge=0, description="answers held here by `Prefer: wait`; more are given at once")
    streams_per_user: int = Field(20, ge=1, description="event streams that one user may hold open, over all replicas")
    streams_max: int = Field(10_000, ge=1, description="event streams of all users; more are sent away for 10 s")

    @property
    def quotas(self) -> Quotas:
        return Quotas(self.generations_per_day, self.spend_per_month)

    @field_validator("jwt_secret", "media_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"must be at least {SHORTEST_SECRET} bytes")
        return value

    def has_account(self, provider: ProviderRow) -> bool:
        """Whether runs of it can be made, as far as we know: the token itself is the generator's."""
        if provider.token is None:
            return True
        if self.providers:
            return provider.name in {name.strip() for name in self.providers.split(",")}
        return bool(os.environ.get(provider.token, "").strip())

    @field_validator("oidc_issuer")
    @classmethod
    def _an_issuer(cls, value: str | None) -> str | None:
        return safe_url(value) if value else None

    @field_validator("oidc_algorithms")
    @classmethod
    def _asymmetric(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [a for a in value if a not in ASYMMETRIC]:
            raise ValueError(f"{', '.join(wrong)}: take some of {', '.join(ASYMMETRIC)}")
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Settings:
        if self.local_mode and self.oidc_issuer:
            raise ValueError("local mode makes its own tokens: it takes no oidc_issuer")
        return self

    @field_validator("public_url")
    @classmethod
    def _bare(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else None
