"""The caller: identity, tokens, tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.base import Model


class Me(Model):
    user_id: str
    name: str | None = None
    scopes: list[str] = []
    quotas: dict[str, Any] | None = None
    waiting_reviews: int | None = None


class Token(Model):
    access_token: str
    expires_in: int | None = Field(None, description="seconds")


class SignInConfig(Model):
    mode: str
    """local, oidc or token."""
    login_url: str | None = None
    name: str | None = None


class GuestToken(Model):
    access_token: str
    expires_in: int = Field(description="seconds")
    project_id: str
    episode_id: str
    role: str
    label: str = ""
    expires_at: datetime | None = None


class Ticket(Model):
    ticket: str
    expires_at: datetime | None = None
