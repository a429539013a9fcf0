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


class Review(Dated):
    """The record of a decision."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    run_id: Id
    version_id: Id
    kind: Kind = Field(description="What the slot holds.")
    action: Literal["approve", "reject", "request_regeneration"] = Field(
        description=(
            "What was decided: approve, reject, or request_regeneration (asked for another one while it waited)."
        )
    )
    rating: int | None = Field(description="1 to 5; null: not rated.")
    feedback: str | None = Field(description="Of the reviewer, for people; it is never sent to a model.")
    suggested_changes: dict[str, Any] | None = Field(
        description=(
            "What the next version should have: prompt_modifications (appended to the directions), "
            "style_adjustments, character_prompt, directions (instead of them), model, duration, "
            "resolution, aspect_ratio, seed. Other keys are recorded only."
        )
    )
    regenerate: bool = Field(description="Whether a new run begins with the suggested changes merged in.")
    user_id: str | None = Field(description="null: a policy decided.")
    verdict: Literal["pending", "accepted", "rejected", "refused"] = Field(
        description="pending, accepted, rejected, or refused: it did not count."
    )
    reason: str | None = Field(description="Why a decision was refused.")
    next_run_id: Id | None = Field(description="The run that a rejection started.")
    decided_at: Timestamp | None = Field(description="null: it is still being decided.")


class ReviewList(ListOf[Review]):
    """Newest first; segments in film order."""


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
    """One decision counts per run."""

    action: Literal["approve", "reject"] = Field(
        description=(
            "What was decided: approve, reject, or request_regeneration (asked for another one while it waited)."
        )
    )
    version_id: GivenId | None = Field(None, description="Which candidate; needed to approve if there are several.")
    rating: Rating | None = Field(None, examples=[5], description="1 to 5; null: not rated.")
    feedback: str | None = Field(None, max_length=4000, description="Recorded, never sent to a model.")
    suggested_changes: Changes | None = Field(
        None,
        examples=[{"character_prompt": "glasses"}],
        description=(
            "What the next version should have: prompt_modifications (appended to the directions), "
            "style_adjustments, character_prompt, directions (instead of them), model, duration, "
            "resolution, aspect_ratio, seed. Other keys are recorded only."
        ),
    )
    regenerate: Flag | None = Field(
        None, description="Start the next run at once. Default: true with suggested_changes, for editors."
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
    """Seed 004."""

    rating: Rating | None = Field(None, examples=[5], description="1 to 5; null: not rated.")
    feedback: str | None = Field(
        None,
        max_length=4000,
        examples=["Looks great!"],
        description="Of the reviewer, for people; it is never sent to a model.",
    )
    version_id: GivenId | None = Field(None, description="The one that was watched.")


class Rejection(
    Body,
    json_schema_extra=shown(
        {
            "reason": "Character appearance inconsistent",
            "suggested_changes": {"character_prompt": "glasses"},
        }
    ),
):
    """Seed 004."""

    reason: str | None = Field(
        None,
        max_length=4000,
        examples=["Character appearance inconsistent"],
        description="For people; kept as the review's feedback.",
    )
    suggested_changes: Changes | None = Field(
        None,
        examples=[{"character_prompt": "glasses"}],
        description=(
            "What the next version should have: prompt_modifications (appended to the directions), "
            "style_adjustments, character_prompt, directions (instead of them), model, duration, "
            "resolution, aspect_ratio, seed. Other keys are recorded only."
        ),
    )
    version_id: GivenId | None = Field(None, description="The version's; null: none.")
    rating: Rating | None = Field(None, description="1 to 5; null: not rated.")
    regenerate: Flag | None = Field(None, description="Whether a new run begins with the suggested changes merged in.")
