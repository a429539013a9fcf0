"""Runs: regenerations of one asset."""

from __future__ import annotations

from typing import Literal

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
    OpenObject,
    Said,
    Setting,
    Timestamp,
    Whole,
    absent,
    shown,
)
from services.gateway.api.schemas.documents import Changes
from services.gateway.api.schemas.estimates import DryRun
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


class Step(Said):
    """A step in the history of a run."""

    state: str = Field(description="The state that the run entered.")
    step: str = Field(description="The step of the work, for programs.")
    attempt: int = Field(
        description=(
            "The number of the attempt, from 1. A failed attempt that may succeed later is followed by another one."
        )
    )
    at: Timestamp = Field(description="When it happened.")
    message: str = Field(description="A message for users, in one line.")


class Run(Dated, Said):
    """One regeneration of one asset."""

    id: Id
    project_id: Id
    project_name: str = Field(description="The name of its project.")
    episode_id: Id
    episode_title: str = Field(description="The title of its episode.")
    asset_id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    segment_number: int | None = Field(
        description="The segment's number in film order, from 1; null: the asset belongs to the episode."
    )
    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")
    import_id: Id | None = Field(description="The import that the run belongs to; null: none.")
    kind: Kind = Field(description="The kind of asset.")
    label: str = Field(description="A display name, such as `Segment 1 video`.")
    number: int = Field(description="The number within its asset, from 1.")
    source: Literal["generate", "upload", "url", "import", "existing"] = Field(description="The source of the media.")
    parent_run_id: Id | None = Field(description="The rejected, failed or reopened run that it follows; null: none.")
    parent_reason: Literal["rejected", "retry", "reopen", "rollback"] | None = Field(
        description="Why it follows the parent run; null: it has no parent."
    )
    status: RunStatus = Field(description="The current status.")
    step: str | None = Field(description="The current step, for programs; null: none yet.")
    percent: float | None = Field(description="From 0 to 100; null: unknown.")
    message: str | None = Field(description="A text for users.", examples=["Generating Segment 1/10..."])
    attempt: int = Field(
        description=(
            "The number of the attempt, from 1. A failed attempt that may succeed later is followed by another one."
        )
    )
    steps: list[Step] = Field(description="The history of the run, oldest first.")
    directions: str | None = Field(
        description="The directions that the request overrides; null: those of the draft or of the committed version."
    )
    style_adjustments: str | None = Field(description="Text added to the project's style for this run; null: none.")
    character_prompt: str | None = Field(
        description="Text added to the descriptions of the characters for this run; null: none."
    )
    settings: dict[str, Setting] = Field(description="The effective settings and the source of each.")
    provider: str | None = Field(description="The provider, such as animatic or replicate.")
    versions: list[Version] = Field(description="The versions that the run offers or offered for review.")
    version_id: Id | None = Field(description="The accepted version; null: none.")
    lost: list[Failure] = Field(description="The failures of variants that could not be generated.")
    deadline: Timestamp | None = Field(description="When the preview expires; null: it does not expire.")
    review: Review | None = Field(description="The review that closed it; null: not reviewed.")
    review_outcome: Literal["accepted", "rejected", "expired", "withdrawn"] | None = Field(
        description="The outcome of the review; null: not decided."
    )
    auto_approve: bool = Field(description="Whether previews are accepted automatically.")
    error: Failure | None = Field(description="The reason of the failure; null: it has not failed.")
    cost: Costs = Field(description="The cost.")
    started_at: Timestamp | None = Field(description="When a worker started it; null: not started.")
    finished_at: Timestamp | None = Field(description="When it ended; null: it has not ended.")


class RunList(ListOf[Run]):
    """Runs, newest first."""


class NewRun(Body):
    """A run to start. Fields that are left out come from the draft."""

    directions: Directions | None = Field(
        None,
        description=(
            "What to generate, without the project's style: directions of a video, a prompt for an "
            "image, or the text of a narration; null: the draft's."
        ),
    )
    model: str | None = Field(
        None,
        max_length=200,
        examples=["animatic/camera"],
        description=(
            "The slug of the model, such as `animatic/camera`; null: the draft's, else the project's default."
        ),
    )
    settings: OpenObject = Field(
        {},
        description=(
            "Settings of the model by name, see `settings_schema` in GET /models. Those that are left "
            "out come from the draft."
        ),
        examples=[{"duration": 5}],
    )
    variants: Whole = Field(1, ge=1, le=4, description="The number of versions to generate and choose from.")
    suggested_changes: Changes = absent(
        {},
        description="Changes that are merged into the parent run's directions and settings.",
        examples=[{"prompt_modifications": "Pan left instead."}],
    )
    dry_run: DryRun = False


class Regeneration(
    Body,
    json_schema_extra=shown(
        {
            "changes": {"prompt_modifications": "Pan left.", "style_adjustments": "warmer", "seed": 67890},
            "keep_original": True,
        }
    ),
):
    """A new run for a segment's video."""

    changes: Changes = absent(
        {},
        description=(
            "Changes to make. prompt_modifications and style_adjustments are appended; directions, "
            "model, duration, resolution, aspect_ratio and seed replace; other fields are only "
            "recorded."
        ),
        examples=[{"prompt_modifications": "Pan left.", "seed": 67890}],
    )
    keep_original: Flag = Field(
        True, description="Whether to keep the replaced version after the new one is committed."
    )
    dry_run: DryRun = False
