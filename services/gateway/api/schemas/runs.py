"""Versions, runs, reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from services.gateway.api.schemas.base import (
    EXAMPLE_ID,
    Body,
    Changes,
    Costs,
    Dated,
    Directions,
    Failure,
    Flag,
    GivenId,
    Id,
    Resource,
    Score,
    Setting,
    Url,
    Whole,
    shown,
)

Kind = Literal["video", "starting_image", "image", "narration", "music"]
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


class Version(Dated):
    """The immutable result of a run."""

    id: Id
    project_id: Id
    episode_id: Id
    asset_id: Id
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1, in film order; null: the asset is its episode's.")
    run_id: Id
    kind: Kind = Field(description="What the slot holds.")
    number: int = Field(description="Per asset, from 1.")
    status: Literal["preview", "accepted", "rejected", "expired", "not_chosen"] = Field(
        description="What became of it."
    )
    committed: bool = Field(description="The one that the rest of the world sees.")
    gone: bool = Field(description="Retention has deleted its bytes.")
    directions: str = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    style: str | None = Field(description="The project's then, and what the run added to it; not part of directions.")
    character_prompt: str | None = Field(description="Added to the characters' text, for this run; null: nothing.")
    model: str | None = Field(description="Its slug, such as `animatic/camera`; null: what the settings say.")
    provider: str = Field(examples=["animatic"], description="Who makes it, such as animatic or replicate.")
    seed: int | None = Field(
        description="The same one makes the same again, where the model can; null: each run draws its own."
    )
    settings: dict[str, Setting] = Field(description="The model's own, by name: GET /models lists each model's.")
    starting_image_version_id: Id | None = Field(description="The starting image that it was made from; null: none.")
    parent_version_id: Id | None = Field(description="What it was made to replace.")
    url: Url
    thumbnail_url: Url
    filmstrip_url: Url
    proxy_url: Url
    content_type: str = Field(description="Of the bytes, as they were recognised.")
    size: int = Field(description="Bytes.")
    duration: float | None = Field(description="Seconds, as probed.")
    resolution: str | None = Field(description="As probed.", examples=["1920x1080"])
    aspect_ratio: str | None = Field(description="Width to height, such as 16:9.")
    fps: float | None = Field(description="Frames per second.")
    quality_metrics: dict[str, float | None] = Field(description="Measured from pixels; scores are 0 to 1.")
    unmeasured: dict[str, str] = Field(description="Why a metric is null.")
    cost: Costs = Field(description="What it cost.")
    info: dict[str, Any] = Field(description="The provider's own facts, such as `animatic: true`.")
    provenance: Literal["signed", "unsigned"] | None = Field(description="Of its Content Credentials.")
    unsigned_reason: str | None = Field(description="Why it carries none.")
    accepted_at: datetime | None = Field(description="null: it was not accepted.")


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
    decided_at: datetime | None = Field(description="null: it is still being decided.")


class Step(Resource):
    """A moment in a run's history."""

    state: str = Field(description="Where it stands.")
    step: str = Field(description="What is being done, for programs; null: nothing yet.")
    attempt: int = Field(description="From 1; a try that failed and may succeed is followed by the next one.")
    at: datetime = Field(description="When.")
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
    deadline: datetime | None = Field(description="To decide until; null: none.")
    review: Review | None = Field(description="The decision that closed it; null: none has.")
    review_outcome: Literal["accepted", "rejected", "expired", "withdrawn"] | None = Field(
        description="accepted, rejected, expired, not_chosen; null: not decided."
    )
    auto_approve: bool = Field(description="Whether previews are accepted as they come, by policy.")
    error: Failure | None = Field(description="Why it failed; null: it did not.")
    cost: Costs = Field(description="What it cost.")
    started_at: datetime | None = Field(description="When a worker took it; null: none has.")
    finished_at: datetime | None = Field(description="When it ended, however; null: it goes on.")


class Difference(Resource):
    """A field in which versions differ, with the value of each."""

    field: str = Field(description="What differs.")
    values: list[Any] = Field(description="In the order of the versions.")


class Comparison(Resource):
    """Versions side by side."""

    versions: list[Version] = Field(description="The candidates.")
    differences: list[Difference] = Field(description="Fields in which they differ.")


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
    suggested_changes: Changes = Field(
        {},
        description="Merged into what the parent run was asked for.",
        examples=[{"prompt_modifications": "Pan left instead."}],
    )


class NewVersion(
    Body,
    json_schema_extra=shown(
        {
            "upload_id": EXAMPLE_ID,
            "directions": "My own take of this scene.",
        }
    ),
):
    """One's own file as a version: exactly one of `upload_id` and `url`."""

    upload_id: GivenId | None = Field(None, description="Of POST …/uploads.")
    url: str | None = Field(None, max_length=2000, description="https only.")
    directions: Directions | None = Field(
        None,
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script.",
    )


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
    rating: Whole | None = Field(None, ge=1, le=5, examples=[5], description="1 to 5; null: not rated.")
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

    rating: Whole | None = Field(None, ge=1, le=5, examples=[5], description="1 to 5; null: not rated.")
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
    rating: Whole | None = Field(None, ge=1, le=5, description="1 to 5; null: not rated.")
    regenerate: Flag | None = Field(None, description="Whether a new run begins with the suggested changes merged in.")


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

    changes: Changes = Field(
        {},
        description="prompt_modifications and style_adjustments are appended; "
        "directions, model, duration, resolution, aspect_ratio and seed replace; other "
        "keys are only recorded.",
        examples=[{"prompt_modifications": "Pan left.", "seed": 67890}],
    )
    keep_original: Flag = Field(True, description="false frees the replaced version once the new one is committed.")


class PreviousVersion(Resource):
    """An earlier or rejected version of a segment's video, in short."""

    id: Id
    run_id: Id
    number: int = Field(description="Of the asset's versions, from 1.")
    status: str = Field(description="Where it stands.")
    url: Url
    thumbnail_url: Url
    directions: str = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    model: str | None = Field(description="Its slug, such as `animatic/camera`; null: what the settings say.")
    duration: float | None = Field(description="Seconds.")
    quality_score: Score
    created_at: datetime = Field(description="When it was made.")
