"""Runs: regenerations of one asset."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    Body,
    Costs,
    Dated,
    Directions,
    Failure,
    Flag,
    Id,
    Kind,
    ListOf,
    Resource,
    Setting,
    Timestamp,
    Whole,
    absent,
    shown,
)
from services.gateway.api.schemas.documents import Changes
from services.gateway.api.schemas.reviews import Review
from services.gateway.api.schemas.versions import Version

RunStatus = Literal[
    "requested",
    "queued",
    "generating",
    "preview_ready",
    "accepted",
    "complete",
    "rejected",
    "expired",
    "failed",
    "cancelled",
]


class Step(Resource):
    """A moment in a run's history."""

    state: str = Field(description="Where it stands.")
    step: str = Field(description="What is being done, for programs; null: nothing yet.")
    attempt: int = Field(description="From 1; a try that failed and may succeed is followed by the next one.")
    at: Timestamp = Field(description="When.")
    message: str = Field(description="For people, in one line; null: nothing to say.")


class Run(Dated):
    """One regeneration of one asset."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1, in film order; null: the asset is its episode's.")
    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")
    import_id: Id | None = Field(description="The import that it belongs to.")
    kind: Kind = Field(description="What the slot holds.")
    label: str = Field(description="For people, such as `Segment 1 video`.")
    number: int = Field(description="Per asset, from 1.")
    source: Literal["generate", "upload", "url", "import", "existing"] = Field(description="Where its bytes come from.")
    parent_run_id: Id | None = Field(description="The rejected, failed or reopened run that it follows; null: none.")
    parent_reason: Literal["rejected", "retry", "reopen", "rollback"] | None = Field(
        description="Why it follows that one."
    )
    status: RunStatus = Field(description="Where it stands.")
    step: str | None = Field(description="What is being done, for programs; null: nothing yet.")
    percent: float | None = Field(description="0 to 100; null: it cannot be said.")
    message: str | None = Field(description="For people.", examples=["Generating Segment 1/10..."])
    attempt: int = Field(description="From 1; a try that failed and may succeed is followed by the next one.")
    steps: list[Step] = Field(description="What happened, oldest first.")
    directions: str | None = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    style_adjustments: str | None = Field(description="Added to the project's style, for this run; null: nothing.")
    character_prompt: str | None = Field(description="Added to the characters' text, for this run; null: nothing.")
    settings: dict[str, Setting] = Field(description="Effective values and where each came from.")
    provider: str | None = Field(description="Who makes it, such as animatic or replicate.")
    versions: list[Version] = Field(description="What it offers, or offered.")
    version_id: Id | None = Field(description="The one that was accepted.")
    lost: list[Failure] = Field(description="Variants that failed.")
    deadline: Timestamp | None = Field(description="To decide until; null: none.")
    review: Review | None = Field(description="The decision that closed it; null: none has.")
    review_outcome: Literal["accepted", "rejected", "expired", "withdrawn"] | None = Field(
        description="accepted, rejected, expired, not_chosen; null: not decided."
    )
    auto_approve: bool = Field(description="Whether previews are accepted as they come, by policy.")
    error: Failure | None = Field(description="Why it failed; null: it did not.")
    cost: Costs = Field(description="What it cost.")
    started_at: Timestamp | None = Field(description="When a worker took it; null: none has.")
    finished_at: Timestamp | None = Field(description="When it ended, however; null: it goes on.")


class RunList(ListOf[Run]):
    """Newest first; segments in film order."""


class NewRun(Body):
    """What is left out comes from the draft."""

    directions: Directions | None = Field(
        None,
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script.",
    )
    model: str | None = Field(
        None,
        max_length=200,
        examples=["animatic/camera"],
        description="Its slug, such as `animatic/camera`; null: what the settings say.",
    )
    settings: dict[str, Any] = Field({}, description="The model's own, see GET /models.", examples=[{"duration": 5}])
    variants: Whole = Field(1, ge=1, le=4, description="Versions to make and choose from.")
    suggested_changes: Changes = absent(
        {},
        description="Merged into what the parent run was asked for.",
        examples=[{"prompt_modifications": "Pan left instead."}],
    )


class Regeneration(
    Body,
    json_schema_extra=shown(
        {
            "changes": {"prompt_modifications": "Pan left.", "style_adjustments": "warmer", "seed": 67890},
            "keep_original": True,
        }
    ),
):
    """Seed 004."""

    changes: Changes = absent(
        {},
        description="prompt_modifications and style_adjustments are appended; "
        "directions, model, duration, resolution, aspect_ratio and seed replace; other "
        "keys are only recorded.",
        examples=[{"prompt_modifications": "Pan left.", "seed": 67890}],
    )
    keep_original: Flag = Field(True, description="false frees the replaced version once the new one is committed.")
