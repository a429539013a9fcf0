"""Events that review owns."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.values import Actor, Ref, Timestamp


class _OfRun(Ref, Event):
    review_rev: int

    @property
    def key(self) -> str:
        return self.asset_id

    @property
    def subject(self) -> str:
        return self.run_id


class Accepted(_OfRun):
    TOPIC: ClassVar[str] = "accepted"

    decision_id: str | None = Field(None, description="null when a policy decided")
    version_id: str
    rating: int | None = None
    feedback: str | None = None
    decided_at: Timestamp
    actor: Actor


class Rejected(_OfRun):
    """A person rejected; never sent for an expiry."""

    TOPIC: ClassVar[str] = "rejected"

    decision_id: str | None = None
    version_id: str
    action: DecisionAction
    review_outcome: Literal["rejected"] = "rejected"
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: dict[str, Any] | None = None
    regenerate: bool = False
    next_run_id: str | None = None
    decided_at: Timestamp
    actor: Actor


class ReviewState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ReviewChange(StrEnum):
    OPENED = "opened"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


class RefusalReason(StrEnum):
    ALREADY_DECIDED = "already_decided"
    EXPIRED = "expired"
    FOREIGN = "foreign"
    NOT_A_CANDIDATE = "not_a_candidate"
    WITHDRAWN = "withdrawn"


class ReviewUpdated(_OfRun):
    TOPIC: ClassVar[str] = "review-updated"

    change: ReviewChange
    state: ReviewState | None = Field(description="null: no review of that run was ever opened")
    deadline: Timestamp | None = None
    decision_id: str | None = None
    reason: RefusalReason | None = None
