"""Bulk actions: one action on many targets of an episode."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from pydantic import Field

from client.errors import ProblemError
from client.models.base import Model
from client.models.reviews import Review


class BulkTarget(TypedDict):
    """Exactly one of run, asset and segment. `version_id`: the version of a preview that was watched."""

    run_id: NotRequired[str | None]
    asset_id: NotRequired[str | None]
    segment_id: NotRequired[str | None]
    version_id: NotRequired[str | None]


class BulkOutcome(Model):
    """The outcome for one target. `status`: 200 (done), 202 (started), or that of the problem."""

    status: int
    segment_id: str | None = None
    asset_id: str | None = None
    run_id: str | None = None
    review: Review | None = None
    problem: dict[str, Any] | None = None

    @property
    def error(self) -> ProblemError | None:
        """The problem as the exception that a request for this target alone would have raised."""
        return ProblemError.of(self.status, self.problem) if self.problem is not None else None


class BulkResult(Model):
    """The outcomes, in the order of the targets."""

    action: str
    succeeded: int = 0
    failed: int = 0
    results: list[BulkOutcome] = Field(default_factory=list)
