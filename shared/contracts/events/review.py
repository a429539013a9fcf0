"""The events that the review service publishes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import RunEvent
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.values import Actor, Timestamp


class _OfRun(RunEvent):
    review_rev: int = Field(description="Counts the changes of the review.")


class Accepted(_OfRun):
    """A candidate was accepted, by a person or by `auto_approve`."""

    TOPIC: ClassVar[str] = "accepted"

    decision_id: str | None = Field(None, description="Null when a policy decided.")
    version_id: str = Field(description="The version that was accepted.")
    rating: int | None = Field(None, description="From 1 to 5 stars.")
    feedback: str | None = Field(None, description="For people; never sent to a model.")
    decided_at: Timestamp = Field(description="When it was accepted.")
    actor: Actor = Field(description="Who accepted it.")


class Rejected(_OfRun):
    """A person rejected the candidates. Never published for an expired review."""

    TOPIC: ClassVar[str] = "rejected"

    decision_id: str | None = Field(None, description="The person's decision.")
    version_id: str = Field(description="The version that the person saw.")
    action: DecisionAction = Field(description="Whether it was rejected, or a regeneration was requested instead.")
    review_outcome: Literal["rejected"] = Field(
        "rejected", description="Always the same; runs that end otherwise have another event."
    )
    rating: int | None = Field(None, description="From 1 to 5 stars.")
    feedback: str | None = Field(None, description="For people; never sent to a model.")
    suggested_changes: dict[str, Any] | None = Field(None, description="Changes for the next run.")
    regenerate: bool = Field(False, description="A new run follows with the suggested changes.")
    next_run_id: str | None = Field(None, description="The id of that new run.")
    decided_at: Timestamp = Field(description="When it was rejected.")
    actor: Actor = Field(description="Who rejected it.")


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
    """A review was opened, expired or withdrawn, or a decision was refused."""

    TOPIC: ClassVar[str] = "review-updated"

    change: ReviewChange = Field(description="What happened to the review.")
    state: ReviewState | None = Field(description="Null: no review of that run was ever opened.")
    deadline: Timestamp | None = Field(None, description="When the review expires; null: never.")
    decision_id: str | None = Field(None, description="The decision that was refused.")
    reason: RefusalReason | None = Field(None, description="Why it was refused.")
