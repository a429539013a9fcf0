"""The caller, tokens, tickets and members."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import Body, Dated, ListOf, Money, Resource, Timestamp

RoleName = Literal["owner", "editor", "reviewer", "viewer"]


class Member(Dated):
    """Somebody who may see a project."""

    user_id: str = Field(description="As the identity provider calls the person; null: nobody.")
    name: str = Field(description="For people.")
    role: RoleName = Field(description="owner, editor, reviewer or viewer.")


class MemberList(ListOf[Member]):
    """Newest first; segments in film order."""


class NewMember(Body):
    """Who may see a project from now on."""

    role: RoleName = Field(description="owner, editor, reviewer or viewer.")


class Quota(Resource):
    """What the caller may do."""

    requests: int = Field(description="In one window.")
    window_s: int = Field(description="Seconds.")
    streams: int = Field(description="Open at the same time.")
    generations: int | None = Field(
        description="In any 24 hours, over all projects; each variant counts. null: no limit.", examples=[5000]
    )
    generations_used: int = Field(description="In the last 24 hours.")
    spend: Money | None = Field(
        description="What your runs may cost in a calendar month (UTC), beside the caps of projects. null: no limit."
    )
    spent: Money = Field(description="What they have cost since `spent_since`.")
    spent_since: Timestamp = Field(description="When the month began.")


class Me(Resource):
    """Who is signed in."""

    user_id: str = Field(description="As the identity provider calls the person; null: nobody.")
    name: str = Field(description="For people.")
    scopes: list[str] = Field(description="What the credentials allow: a session reads and never writes.")
    quotas: Quota = Field(description="What the caller may do.")


class Token(Resource):
    """A bearer token."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    token_type: Literal["bearer"] = Field(description="Always `bearer`.")
    expires_in: int = Field(description="Seconds.")


class NewTicket(Body):
    """The stream that a ticket is for."""

    stream: str = Field(
        description="The path to open: /events or /projects/{id}/events, with or without /api/v1.",
        json_schema_extra={"pattern": r"^(/api/v1)?(/events|/projects/[0-9a-fA-F-]{36}/events)$"},
        examples=["/projects/01980000-0000-7000-8000-000000000001/events"],
    )


class Ticket(Resource):
    """Opens one stream where no header can be sent."""

    ticket: str = Field(description="Send it as `?ticket=` of the stream.")
    expires_at: Timestamp = Field(description="It opens one stream before that.")
