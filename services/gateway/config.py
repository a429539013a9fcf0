"""Settings of the gateway, from the environment with the prefix GATEWAY_."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings

SHORTEST_SECRET: Final = 32
"""Bytes: a key of HMAC-SHA256 should be at least as long as its output (RFC 7518, 3.2)."""


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="ignore")

    local_mode: bool = Field(False, description="one machine, one person: /auth/token is open to the loopback")
    jwt_secret: SecretStr = Field(description="signs bearer tokens (HS256) and sessions")
    jwt_issuer: str = "retake"
    jwt_audience: str = "retake"
    media_secret: SecretStr = Field(description="signs media URLs")
    public_url: str | None = Field(None, description="what clients call us; null: each request's own origin")
    cors_origins: tuple[str, ...] = Field((), description="exact origins whose pages may call us, with credentials")
    catalogue: Path | None = Field(None, description="a model catalogue of the operator's, on top of the built-in one")
    default_provider: str = Field("animatic", description="whose model is used when nobody names one")
    rate_quota: int = Field(600, ge=1, description="requests per user, or per address of who is not signed in")
    rate_window_s: int = Field(60, ge=1)
    streams_per_user: int = Field(20, ge=1, description="event streams that one user may hold open here")
    streams_max: int = Field(10_000, ge=1, description="event streams of all users; more are sent away for 10 s")

    @field_validator("jwt_secret", "media_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().encode()) < SHORTEST_SECRET:
            raise ValueError(f"must be at least {SHORTEST_SECRET} bytes")
        return value

    @field_validator("public_url")
    @classmethod
    def _bare(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else None
