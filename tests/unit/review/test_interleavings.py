"""Review under any order of previews, decisions, deletions, deadlines and duplicates: a run has one verdict
and each decision has one answer.

The commands run on reviews in memory; tests/integration/test_review.py runs them on PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.review.commands.reviews import decide, expire_reviews, open_review, withdraw_reviews
from services.review.domain.reviews import EXPIRY_GRACE, HistoryEntry, Review, Verdict
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.events.review import Accepted, Rejected, ReviewChange, ReviewState, ReviewUpdated
from shared.messaging.events import Cause, Message
from tests.support import events
from tests.support.clock import FakeClock

RUN, ASSET, VERSION, OTHER = (f"01980000-0000-7000-8000-00000000000{n}" for n in range(4))
TIMEOUT_S = 600


class InMemoryReviews:
    """Implements `commands.reviews.Reviews` as the tables do."""

    def __init__(self) -> None:
        self.reviews: dict[str, tuple[Review, Cause]] = {}
        self.history: dict[str | None, Verdict] = {}  # by decision id
        self.deleted: set[str] = set()
        self.parked: list[Message[Any]] = []
        self.published: list[Event] = []

    async def lock(self, run_id: str) -> Review | None:
        return self.reviews[run_id][0] if run_id in self.reviews else None

    async def open(self, review: Review, cause: Cause) -> bool:
        if review.ref.run_id in self.reviews:
            return False
        self.reviews[review.ref.run_id] = review, cause
        return True

    async def close(self, run_id: str, state: ReviewState, at: datetime) -> Review:
        review, cause = self.reviews[run_id]
        assert review.state is ReviewState.OPEN
        closed = replace(review, state=state, rev=review.rev + 1)
        self.reviews[run_id] = closed, cause
        return closed

    async def lock_due(self, now: datetime, limit: int) -> list[tuple[Review, Cause]]:
        return [
            (review, cause)
            for review, cause in self.reviews.values()
            if review.state is ReviewState.OPEN and review.deadline and review.deadline < now - EXPIRY_GRACE
        ][:limit]

    async def lock_open(self, asset_ids: Sequence[str]) -> list[tuple[Review, Cause]]:
        return [
            (review, cause)
            for review, cause in self.reviews.values()
            if review.state is ReviewState.OPEN and review.ref.asset_id in asset_ids
        ]

    async def record(self, entry: HistoryEntry) -> None:
        assert entry.decision_id is None or entry.decision_id not in self.history
        self.history[entry.decision_id] = entry.verdict

    async def is_recorded(self, decision_id: str) -> bool:
        return decision_id in self.history

    async def tombstone(self, asset_ids: Sequence[str], at: datetime) -> None:
        self.deleted |= set(asset_ids)

    async def restore(self, asset_ids: Sequence[str]) -> None:
        self.deleted -= set(asset_ids)

    async def is_tombstoned(self, asset_id: str) -> bool:
        return asset_id in self.deleted

    async def park(self, run_id: str, message: Message[Any]) -> None:
        self.parked.append(message)

    async def unpark(self, run_id: str) -> list[Message[Any]]:
        parked, self.parked = self.parked, []
        return parked

    async def publish(self, event: Event, cause: Cause) -> None:
        self.published.append(event)


decisions = st.builds(
    lambda n, action, version, age: ("decide", n, action, version, age),
    st.integers(1, 4),
    st.sampled_from(DecisionAction),
    st.sampled_from([VERSION, VERSION, OTHER]),
    st.integers(0, 90),
)
steps = st.lists(
    st.one_of(
        st.just(("preview", False)),
        st.just(("preview", True)),
        decisions,
        decisions,
        st.just(("delete",)),
        st.just(("sweep",)),
        st.builds(lambda s: ("pass", s), st.integers(1, 500)),
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_one_verdict_per_run_and_one_answer_per_decision(plan: list[tuple[Any, ...]]) -> None:
    reviews, clock = InMemoryReviews(), FakeClock()
    submitted: dict[str, DecisionSubmitted] = {}
    asyncio.run(_play(reviews, clock, plan, submitted))

    verdicts = [
        e
        for e in reviews.published
        if isinstance(e, Accepted | Rejected)
        or (isinstance(e, ReviewUpdated) and e.change in (ReviewChange.EXPIRED, ReviewChange.WITHDRAWN))
    ]
    assert len(verdicts) <= 1, "a run has one end"
    revisions = [
        e.review_rev
        for e in reviews.published
        if isinstance(e, Accepted | Rejected | ReviewUpdated) and getattr(e, "change", None) is not ReviewChange.REFUSED
    ]
    assert revisions == sorted(set(revisions)), "each change raises the revision"
    review = reviews.reviews.get(RUN)
    assert (review is not None and review[0].state is not ReviewState.OPEN) == bool(verdicts)

    answers = Counter(e.decision_id for e in reviews.published if getattr(e, "decision_id", None) is not None)
    waiting = {m.event.decision_id for m in reviews.parked}
    for decision_id in submitted:
        assert answers[decision_id] == (0 if decision_id in waiting else 1), "each decision is answered once"
    for verdict in verdicts:
        if isinstance(verdict, Accepted | Rejected) and verdict.decision_id:
            decision = submitted[verdict.decision_id]
            assert decision.version_id == verdict.version_id == VERSION
            assert review is not None
            assert review[0].deadline is None or decision.submitted_at <= review[0].deadline, "late ones never count"


async def _play(
    reviews: InMemoryReviews, clock: FakeClock, plan: list[tuple[Any, ...]], submitted: dict[str, DecisionSubmitted]
) -> None:
    ref = {"run_id": RUN, "asset_id": ASSET}
    for step in plan:
        match step:
            case ("preview", auto):
                preview = events.preview_ready(
                    **ref,
                    candidates=[events.version(version_id=VERSION)],
                    auto_approve=auto,
                    review_timeout_s=TIMEOUT_S,
                )
                await open_review(reviews, events.message(preview), clock.now())
            case ("decide", n, action, version, age):
                decision_id = f"01980000-0000-7000-8000-0000000000d{n}"
                if decision_id not in submitted:  # else it is delivered again
                    submitted[decision_id] = events.decision_submitted(
                        **ref,
                        decision_id=decision_id,
                        action=action,
                        version_id=version,
                        next_run_id=None,
                        regenerate=False,
                        submitted_at=clock.now() - timedelta(seconds=age),
                    )
                already = {m.event.decision_id for m in reviews.parked}
                if decision_id not in already:  # the inbox lets an event in once
                    await decide(reviews, events.message(submitted[decision_id]), clock.now())
            case ("delete",):
                changed = events.episode_changed(deleted_asset_ids=[ASSET])
                await withdraw_reviews(reviews, events.message(changed), clock.now())
            case ("sweep",):
                await expire_reviews(reviews, clock.now())
            case ("pass", seconds):
                clock.move(seconds)
