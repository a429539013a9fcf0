"""The caller, tokens, tickets and members."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import Body, Dated, ListOf, Money, Resource, Timestamp

RoleName = Literal["owner", "editor", "reviewer", "viewer"]


class Member(Dated):
    """A user with access to a project."""

    user_id: str = Field(description="The user's subject at the identity provider.")
    name: str = Field(description="The display name of the user.")
    role: RoleName = Field(description="owner, editor, reviewer or viewer.")


class MemberList(ListOf[Member]):
    """The members of a project."""


class NewMember(Body):
    """The role of a member."""

    role: RoleName = Field(description="owner, editor, reviewer or viewer.")


class Quota(Resource):
    """The quotas of the authenticated user."""

    requests: int = Field(description="The number of requests per window.")
    window_s: int = Field(description="The length of a window in seconds.")
    streams: int = Field(description="The number of streams open at the same time.")
    generations: int | None = Field(
        description="The number of generations in 24 hours over all projects; each variant counts. null: no limit.",
        examples=[5000],
    )
    generations_used: int = Field(description="The number of generations in the last 24 hours.")
    spend: Money | None = Field(
        description=(
            "The greatest cost of your runs in a calendar month (UTC), in addition to the caps of "
            "projects; null: no limit."
        )
    )
    spent: Money = Field(
        description="The cost of your runs since `spent_since`; if a provider may charge and does not say, its price."
    )
    spent_since: Timestamp = Field(description="The beginning of the calendar month.")


class Me(Resource):
    """The authenticated user."""

    user_id: str = Field(description="The user's subject at the identity provider.")
    name: str = Field(description="The user's display name.")
    scopes: list[str] = Field(description="What the credentials allow: a session can only read.")
    quotas: Quota = Field(description="The quotas of the authenticated user.")
    waiting_reviews: int = Field(
        description="How many previews wait for a decision in all your projects: GET /runs?status=preview_ready."
    )


class Token(Resource):
    """A bearer token."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    token_type: Literal["bearer"] = Field(description="Always `bearer`.")
    expires_in: int = Field(description="Seconds until the token expires.")


class SignInConfig(Resource):
    """How a browser signs in."""

    mode: Literal["local", "oidc", "token"] = Field(
        description="local: `POST /auth/token` gives every caller of this machine a token. oidc: send the browser to "
        "`login_url`; `POST /auth/token` then gives it tokens. token: a person brings a bearer token."
    )
    login_url: str | None = Field(description="Of oidc: the path of the login; add `?return_to=` and a path of yours.")
    name: str | None = Field(description="Of oidc: the name of the identity provider.")


class SignedOut(Resource):
    """What is left to do after signing out."""

    end_session_url: str | None = Field(
        description="Send the browser there to sign out at the identity provider, too. null: it has no such page, or "
        "cannot be reached."
    )


class NewTicket(Body):
    """A ticket to issue."""

    stream: str = Field(
        max_length=100,
        description="The path of the stream: /events or /projects/{id}/events, with or without /api/v1.",
        json_schema_extra={"pattern": r"^(/api/v1)?(/events|/projects/[0-9a-fA-F-]{36}/events)$"},
        examples=["/projects/01980000-0000-7000-8000-000000000001/events"],
    )


class Ticket(Resource):
    """A ticket that opens one stream, for clients that cannot send headers."""

    ticket: str = Field(description="Send it as the query parameter `ticket` of the stream.")
    expires_at: Timestamp = Field(description="When the ticket expires.")
