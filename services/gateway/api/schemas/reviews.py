"""Reviews: decisions on previews."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    EXAMPLE_ID,
    Body,
    Dated,
    Flag,
    GivenId,
    Id,
    Kind,
    ListOf,
    Rating,
    Timestamp,
    shown,
)
from services.gateway.api.schemas.documents import Changes
from services.gateway.domain.notes import MAX_DECISION_NOTES

NoteIds = list[GivenId]


class Review(Dated):
    """The record of a decision."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    run_id: Id
    version_id: Id
    kind: Kind = Field(description="The kind of asset.")
    action: Literal["approve", "reject", "request_regeneration"] = Field(
        description=(
            "The decision: approve, reject, or request_regeneration (a new run was started while the preview waited)."
        )
    )
    rating: int | None = Field(description="From 1 to 5; null: not rated.")
    feedback: str | None = Field(description="The reviewer's comment. It is never sent to a model.")
    suggested_changes: dict[str, Any] | None = Field(
        description=("What the reviewer suggested to change in the next version; null: nothing.")
    )
    regenerate: bool = Field(description="Whether the rejection asked for another run.")
    note_ids: list[Id] = Field(description="The notes that the decision was about; empty: none.")
    user_id: str | None = Field(description="The reviewer; null: a policy decided.")
    author: str | None = Field(None, description="The reviewer's name, of a guest the label of the share link.")
    verdict: Literal["pending", "accepted", "rejected", "refused"] = Field(
        description="The verdict: pending, accepted, rejected, or refused (the decision did not count)."
    )
    reason: str | None = Field(description="Why the decision was refused; null: it was not.")
    next_run_id: Id | None = Field(description="The run that a rejection started; null: none.")
    decided_at: Timestamp | None = Field(description="When the decision was made; null: pending.")


class ReviewList(ListOf[Review]):
    """Decisions in a project, newest first."""


class Decision(
    Body,
    json_schema_extra=shown(
        {
            "action": "approve",
            "version_id": EXAMPLE_ID,
            "rating": 5,
            "feedback": "Looks great!",
        }
    ),
):
    """A decision on a run. Only one decision per run counts."""

    action: Literal["approve", "reject"] = Field(description="Whether to accept or to reject the preview.")
    version_id: GivenId | None = Field(
        None, description="The version to decide on; required to approve if the run has several."
    )
    rating: Rating | None = Field(None, examples=[5], description="From 1 to 5; null: not rated.")
    feedback: str | None = Field(
        None, max_length=4000, description="A comment. It is stored and never sent to a model."
    )
    suggested_changes: Changes | None = Field(
        None,
        examples=[{"character_prompt": "glasses"}],
        description="What the next version should change; it needs a rejection.",
    )
    regenerate: Flag | None = Field(
        None,
        description=(
            "Whether to start the next run at once. The default is true for editors who send suggested_changes."
        ),
    )
    note_ids: NoteIds = Field(
        [], max_length=MAX_DECISION_NOTES, description="The notes about the version that the decision is about."
    )


class Approval(
    Body,
    json_schema_extra=shown(
        {
            "rating": 5,
            "feedback": "Looks great!",
        }
    ),
):
    """An approval of the waiting preview."""

    rating: Rating | None = Field(None, examples=[5], description="From 1 to 5; null: not rated.")
    feedback: str | None = Field(
        None,
        max_length=4000,
        examples=["Looks great!"],
        description="The reviewer's comment. It is never sent to a model.",
    )
    version_id: GivenId | None = Field(None, description="The version that was watched.")


class Rejection(
    Body,
    json_schema_extra=shown(
        {
            "reason": "Character appearance inconsistent",
            "suggested_changes": {"character_prompt": "glasses"},
        }
    ),
):
    """A rejection of the waiting preview."""

    reason: str | None = Field(
        None,
        max_length=4000,
        examples=["Character appearance inconsistent"],
        description="The reason, stored as the review's feedback.",
    )
    suggested_changes: Changes | None = Field(
        None,
        examples=[{"character_prompt": "glasses"}],
        description="What the next version should change.",
    )
    version_id: GivenId | None = Field(None, description="The version that was watched.")
    rating: Rating | None = Field(None, description="From 1 to 5; null: not rated.")
    regenerate: Flag | None = Field(
        None,
        description=(
            "Whether to start the next run at once. The default is true for editors who send suggested_changes."
        ),
    )
    note_ids: NoteIds = Field(
        [], max_length=MAX_DECISION_NOTES, description="The notes about the version that the decision is about."
    )
