"""Share links."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import Body, Dated, GivenId, Id, ListOf, Moment, Resource, Timestamp

ShareRole = Literal["viewer", "reviewer"]


class Share(Dated):
    """A link that opens one episode to whoever has it."""

    id: Id
    project_id: Id
    episode_id: Id
    role: ShareRole = Field(description="viewer or reviewer.")
    label: str = Field(description="Names the guests in reviews and notes.")
    user_id: str = Field(description="The user id that the guests' reviews and notes bear.")
    created_by: str = Field(description="The user who created it.")
    expires_at: Timestamp = Field(description="When it stops working.")
    revoked_at: Timestamp | None = Field(description="When it was revoked; null: it was not.")


class ShareList(ListOf[Share]):
    """The share links of a project."""


class NewShare(Body):
    """A share link to create."""

    episode_id: GivenId = Field(description="The only episode that it opens.")
    role: ShareRole = Field(description="viewer: see everything of the episode. reviewer: also decide and write notes.")
    label: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"\S",
        description="Whom it is for; names the guests in reviews and notes.",
        examples=["Client review"],
    )
    expires_at: Moment | None = Field(None, description="At most 90 days from now; null: in 7 days.")


class CreatedShare(Share):
    """A new share link, with the address that opens it: shown only here, since the gateway stores only its digest."""

    url: str = Field(description="The address to pass on. The part after # reaches no server and no log.")
    token: str = Field(description="The part of the address after #, for `POST /auth/share`.")


class ShareToken(Body):
    """What a guest brings."""

    token: str = Field(min_length=1, max_length=200, description="The part after # of a share link's address.")


class GuestToken(Resource):
    """A guest's bearer token, and what it opens."""

    access_token: str = Field(description="Send it as `Authorization: Bearer …`.")
    token_type: Literal["bearer"] = Field(description="Always `bearer`.")
    expires_in: int = Field(description="Seconds until the token expires; then open the link again.")
    project_id: Id
    episode_id: Id
    role: ShareRole = Field(description="viewer or reviewer.")
    label: str = Field(description="The name that the guest's reviews and notes bear.")
    expires_at: Timestamp = Field(description="When the link itself stops working.")
