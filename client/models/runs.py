"""Runs: one attempt to make a new version of an asset."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.base import AssetKind, Model, Money, Open, Problem, Resource, Settings
from client.models.reviews import Review
from client.models.versions import Version


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
        """Whether the run has ended or is waiting for a decision."""
        return self.terminal or self is RunStatus.PREVIEW_READY


_TERMINAL = (
    RunStatus.COMPLETE,
    RunStatus.REJECTED,
    RunStatus.EXPIRED,
    RunStatus.FAILED,
    RunStatus.CANCELLED,
)


class Cost(Model):
    """The cost of a run. `actual` is the amount that the provider reported, if it does. If the provider may charge and
    has not said so, both are None, with the `reason` and the bounds."""

    estimated: Money | None = None
    actual: Money | None = None
    reason: str | None = None
    at_least: Money | None = None
    at_most: Money | None = None

    @property
    def text(self) -> str | None:
        """`0.078 USD`, `about 0.078 USD` if it is an estimate, or `not known, at most 0.078 USD` with the reason; None:
        free of charge."""
        if self.reason and self.at_most:
            return f"not known, at most {self.at_most.amount} {self.at_most.currency}. {self.reason}"
        if self.actual:
            return f"{self.actual.amount} {self.actual.currency}"
        return f"about {self.estimated.amount} {self.estimated.currency}" if self.estimated else None


class Run(Resource):
    project_id: str | None = None
    project_name: str | None = None
    episode_id: str | None = None
    episode_title: str | None = None
    asset_id: str | None = None
    segment_id: str | None = None
    segment_number: int | None = None
    batch_id: str | None = None
    kind: AssetKind
    label: str | None = None
    source: str | None = None
    parent_run_id: str | None = None
    parent_reason: str | None = None
    status: RunStatus
    step: str | None = None
    percent: float | None = None
    message: str | None = None
    message_code: str | None = None
    message_args: dict[str, Any] = {}
    settings: Settings = {}
    provider: str | None = None
    versions: list[Version] = []
    lost: list[Problem] = Field([], description="variants that failed, with their causes")
    deadline: datetime | None = None
    review: Review | None = None
    review_outcome: str | None = None
    error: Problem | None = None
    cost: Cost | None = None
