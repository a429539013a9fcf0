"""Decisions on previews, as they are recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.gateway.domain.runs import Run
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.values import Actor


@dataclass(frozen=True)
class NewReview:
    """`verdict`: pending, or the verdict of a policy. `at`: when the decision was submitted."""

    review_id: str
    run: Run
    version_id: str
    action: DecisionAction
    actor: Actor
    at: datetime
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: Mapping[str, Any] | None = None
    regenerate: bool = False
    next_run_id: str | None = None
    note_ids: tuple[str, ...] = ()
    verdict: str = "pending"


@dataclass(frozen=True)
class Review:
    review_id: str
    run_id: str
    project_id: str
    version_id: str
    action: DecisionAction
    next_run_id: str | None
    verdict: str
    reason: str | None
    actor: Actor
    submitted_at: datetime

    def was_in_time(self, deadline: datetime | None) -> bool:
        return deadline is None or self.submitted_at <= deadline
