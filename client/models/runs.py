"""Runs, the versions they make, and the reviews that decide on them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.base import Model, Money, Open, Problem, Resource, Settings


class Kind(Open):
    """What an asset is."""

    VIDEO = "video"
    STARTING_IMAGE = "starting_image"
    IMAGE = "image"
    NARRATION = "narration"
    MUSIC = "music"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


class RunStatus(Open):
    REQUESTED = "requested"
    QUEUED = "queued"
    GENERATING = "generating"
    PREVIEW_READY = "preview_ready"
    ACCEPTED = "accepted"
    COMPLETE = "complete"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        return self in _TERMINAL

    @property
    def at_rest(self) -> bool:
        """Nothing more happens by itself."""
        return self.terminal or self is RunStatus.PREVIEW_READY


_TERMINAL = (
    RunStatus.COMPLETE,
    RunStatus.REJECTED,
    RunStatus.EXPIRED,
    RunStatus.FAILED,
    RunStatus.CANCELLED,
)


class Version(Resource):
    """One immutable result. Media facts are as probed, not as asked for."""

    number: int | None = None
    asset_id: str | None = None
    run_id: str | None = None
    kind: Kind | None = None
    segment_number: int | None = None
    status: str | None = None
    committed: bool = False
    directions: str | None = None
    model: str | None = None
    provider: str | None = None
    seed: int | None = None
    settings: Settings = {}
    content_type: str | None = None
    url: str | None = None
    thumbnail_url: str | None = None
    filmstrip_url: str | None = None
    duration: float | None = Field(None, description="seconds")
    resolution: str | None = None
    aspect_ratio: str | None = None
    fps: float | None = None
    size: int | None = Field(None, description="bytes")
    quality_metrics: dict[str, float | None] = {}
    unmeasured: dict[str, str] = {}
    info: dict[str, Any] | None = None
    provenance: str | None = None
    unsigned_reason: str | None = None

    @property
    def model_slug(self) -> str | None:
        setting = self.settings.get("model")
        return self.model or (str(setting.value) if setting and setting.value else None)


class ReviewAction(Open):
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_REGENERATION = "request_regeneration"
    UNKNOWN = "unknown"


class Review(Resource):
    action: ReviewAction | None = None
    kind: Kind | None = None
    episode_id: str | None = None
    asset_id: str | None = None
    segment_id: str | None = None
    run_id: str | None = None
    version_id: str | None = None
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: dict[str, Any] | None = None
    user_id: str | None = None
    verdict: str | None = None
    next_run_id: str | None = None
    reason: str | None = None
    decided_at: datetime | None = None


class Cost(Model):
    """What a run or a version cost; `actual` is what the provider reported, where it does."""

    estimated: Money | None = None
    actual: Money | None = None

    @property
    def text(self) -> str | None:
        """`0.078 USD`, `about 0.078 USD`; None: nothing was paid, or it is not known."""
        if self.actual:
            return f"{self.actual.amount} {self.actual.currency}"
        return f"about {self.estimated.amount} {self.estimated.currency}" if self.estimated else None


class Run(Resource):
    project_id: str | None = None
    episode_id: str | None = None
    asset_id: str | None = None
    segment_id: str | None = None
    segment_number: int | None = None
    batch_id: str | None = None
    kind: Kind
    label: str | None = None
    source: str | None = None
    parent_run_id: str | None = None
    parent_reason: str | None = None
    status: RunStatus
    step: str | None = None
    percent: float | None = None
    message: str | None = None
    settings: Settings = {}
    provider: str | None = None
    versions: list[Version] = []
    lost: list[Problem] = Field([], description="candidates that were asked for and not made, with the reason of each")
    deadline: datetime | None = None
    review: Review | None = None
    review_outcome: str | None = None
    error: Problem | None = None
    cost: Cost | None = None
