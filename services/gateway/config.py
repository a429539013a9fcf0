"""Settings of the gateway, from the environment with the prefix GATEWAY_."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Final

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.gateway.domain.identity import safe_url
from services.gateway.domain.quotas import Quotas
from shared.contracts.catalogue import ProviderRow
from shared.core.settings import ServiceSettings

MIN_SECRET_BYTES: Final = 32
"""A key of HMAC-SHA256 must be at least as long as its output (RFC 7518, section 3.2)."""


ASYMMETRIC: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Verifying these needs public keys only, so a copy of our keys cannot sign tokens."""


LOGIN_PARAMETERS: Final = frozenset(
    {
        "response_type",
        "response_mode",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    }
)
"""Parameters of the issuer's login page that the gateway sets."""


_ORIGIN: Final = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
"""As browsers send it: lower case, the port only if it is not the scheme's own (RFC 6454)."""


def _listed(secrets: SecretStr) -> tuple[str, ...]:
    return tuple(part.strip() for part in secrets.get_secret_value().split(",") if part.strip())


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="ignore")

    local_mode: bool = Field(
        False, description="Single-user mode: clients on the loopback interface get tokens from /auth/token"
    )
    jwt_secret: SecretStr = Field(
        description="Secret that signs bearer tokens (HS256) and sessions; several, separated by commas, while it is "
        "being rotated: the first signs, all are accepted"
    )
    jwt_issuer: str = "retake"
    jwt_audience: str = "retake"
    oidc_issuer: str | None = Field(
        None,
        description="OpenID Connect issuer whose bearer tokens are accepted, exactly as in their `iss`; null: tokens "
        "signed with the local secret are accepted",
    )
    oidc_audience: str = Field("retake", description="Required `aud` of the issuer's tokens")
    oidc_algorithms: tuple[str, ...] = Field(
        ("RS256", "ES256", "PS256", "EdDSA"), min_length=1, description="Accepted signature algorithms; asymmetric only"
    )
    oidc_leeway_s: float = Field(
        30.0, ge=0, le=300, description="Tolerated difference between the issuer's clock and this one, in seconds"
    )
    oidc_client_id: str | None = Field(
        None,
        min_length=1,
        description="Id of the gateway as a client of the issuer, registered there with the redirect URI "
        "{GATEWAY_PUBLIC_URL}/api/v1/auth/callback; with it people sign in on the page itself. null: they paste a "
        "token",
    )
    oidc_client_secret: SecretStr | None = Field(None, description="Secret of that client; null: it is a public client")
    oidc_scopes: str = Field(
        "openid profile email",
        description="Scopes of a sign-in; many issuers give a refresh token only with `offline_access`",
    )
    oidc_login_parameters: dict[str, str] = Field(
        {},
        description='Additional query parameters of the issuer\'s login page, as JSON, such as {"audience": "retake"}',
    )
    oidc_name: str | None = Field(None, description="Name of the issuer on the sign-in button; null: its host")
    oidc_session_hours: float = Field(
        168.0, gt=0, le=8760, description="Longest time that a browser stays signed in; the issuer may end it earlier"
    )
    media_secret: SecretStr = Field(description="Secret that signs media URLs; several as above")
    public_url: str | None = Field(None, description="Base URL that clients use; null: the origin of each request")
    operations_port: int | None = Field(
        None,
        ge=1,
        le=65_535,
        description="Second port, for /health/ready, /metrics and /health/live; the API's port then has only the last. "
        "null: the API's port has them all, which is meant for a single machine",
    )
    operations_host: str = Field(
        "127.0.0.1", description="Address that the second port listens on; in a container 0.0.0.0"
    )
    cors_origins: tuple[str, ...] = Field((), description="Exact origins whose pages may call the API with credentials")
    catalogue: Path | None = Field(
        None, description="File with an additional model catalogue, on top of the built-in one"
    )
    providers: str = Field(
        "",
        description="Providers that the generator has tokens for, separated by commas; empty: those whose token is "
        "in the gateway's environment, as on a single machine",
    )
    default_provider: str = Field("animatic", description="Provider whose models are the defaults")
    step_by_step_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Share of the projects without a chosen workflow that generate step by step; the others generate "
        "in one go",
    )
    rate_quota: int = Field(
        600, ge=1, description="Requests per window and user, or per address without authentication"
    )
    rate_window_s: int = Field(60, ge=1, description="Length of the rate window, in seconds")
    generations_per_day: int | None = Field(
        5000,
        ge=1,
        description="Generations per user in any 24 hours, each variant counted; null: no limit",
    )
    spend_per_month: Decimal | None = Field(
        None,
        ge=0,
        description="US dollars that one user's runs may cost per calendar month (UTC), in addition to the caps of "
        "projects; null: no limit",
    )
    storage_per_project: int | None = Field(
        200_000_000_000,
        ge=1,
        description="Bytes that the versions, films and uploads of one project may take; null: no limit",
    )
    requests_at_once: int = Field(
        256, ge=1, description="Concurrent requests per replica; more are refused with Retry-After: 1"
    )
    waits_at_once: int = Field(
        2000, ge=0, description="Concurrent requests per replica that wait by `Prefer: wait`; more are answered at once"
    )
    streams_per_user: int = Field(20, ge=1, description="Open event streams per user, over all replicas")
    streams_max: int = Field(
        10_000, ge=1, description="Open event streams per replica; more are refused with Retry-After: 10"
    )

    drain_s: float = Field(
        8.0,
        ge=0,
        description="Longest time over which event streams are ended when the process stops, 100 in a second; less "
        "than GATEWAY_GRACE_S",
    )

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        """The first signs, all verify."""
        return _listed(self.jwt_secret)

    @property
    def media_secrets(self) -> tuple[str, ...]:
        """The first signs, all verify."""
        return _listed(self.media_secret)

    @property
    def quotas(self) -> Quotas:
        return Quotas(self.generations_per_day, self.spend_per_month, self.storage_per_project)

    @field_validator("jwt_secret", "media_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if any(len(secret.encode()) < MIN_SECRET_BYTES for secret in _listed(value)) or not _listed(value):
            raise ValueError(f"must be at least {MIN_SECRET_BYTES} bytes, each of several between commas")
        return value

    def has_account(self, provider: ProviderRow) -> bool:
        """Whether runs of this provider are possible, as far as the gateway knows; only the generator has the token."""
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
            raise ValueError(f"{', '.join(wrong)} cannot be used; choose from {', '.join(ASYMMETRIC)}")
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _with_openid(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("must contain openid: without it the issuer does not say who signed in")
        return value

    @field_validator("oidc_login_parameters")
    @classmethod
    def _of_their_own(cls, value: dict[str, str]) -> dict[str, str]:
        if taken := sorted(LOGIN_PARAMETERS & value.keys()):
            raise ValueError(f"{', '.join(taken)}: the gateway sets these itself")
        return value

    @model_validator(mode="after")
    def _can_sign_in(self) -> Settings:
        if self.oidc_client_id is None:
            return self
        if self.oidc_issuer is None:
            raise ValueError("oidc_client_id needs oidc_issuer, the issuer that it is registered with")
        if self.public_url is None:
            raise ValueError("oidc_client_id needs public_url: the issuer sends browsers back to that address only")
        safe_url(self.public_url)
        return self

    @model_validator(mode="after")
    def _one_way_in(self) -> Settings:
        if self.local_mode and self.oidc_issuer:
            raise ValueError("local_mode cannot be combined with oidc_issuer")
        return self

    @field_validator("cors_origins")
    @classmethod
    def _exact_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A pattern would let any page read what the signed-in user may."""
        if wrong := [origin for origin in value if not _ORIGIN.fullmatch(origin)]:
            raise ValueError(
                f"{', '.join(wrong)}: each must be one exact origin such as https://studio.example, without a path; "
                "patterns and null are refused, because pages of these origins may call the API with credentials"
            )
        return value

    @field_validator("public_url")
    @classmethod
    def _bare(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else None
