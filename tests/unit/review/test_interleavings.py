"""Whatever the order in which previews, decisions, deletions, deadlines and repeats come: one verdict per run, and one
answer per decision. The use cases run on rows in memory; tests/integration/test_review.py runs them on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.review.commands.decide import decide
from services.review.commands.expire_reviews import expire_reviews
from services.review.commands.open_review import open_review
from services.review.commands.withdraw_reviews import withdraw_reviews
from services.review.domain.reviews import EXPIRY_GRACE, Review
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.events.review import Accepted, Rejected, ReviewChange, ReviewState, ReviewUpdated
from shared.contracts.values import Actor
from shared.messaging.events import Cause, Message
from tests.support import events
from tests.support.clock import FakeClock

RUN, ASSET, VERSION, OTHER = (f"01980000-0000-7000-8000-00000000000{n}" for n in range(4))
TIMEOUT_S = 600


class Rows:
    """Implements `usecases.ports.Reviews` as the tables do."""

    def __init__(self) -> None:
        self.reviews: dict[str, tuple[Review, Cause]] = {}
        self.decided: dict[str | None, str] = {}
        self.buried: set[str] = set()
        self.parked: list[Message[Any]] = []
        self.told: list[Event] = []

    async def lock(self, run_id: str) -> Review | None:
        return self.reviews[run_id][0] if run_id in self.reviews else None

    async def open(self, review: Review, cause: Cause) -> bool:
        if review.ref.run_id in self.reviews:
            return False
        self.reviews[review.ref.run_id] = review, cause
        return True

    async def close(self, run_id: str, state: ReviewState, at: datetime) -> Review | None:
        review, cause = self.reviews[run_id]
        if review.state is not ReviewState.OPEN:
            return None
        closed = replace(review, state=state, rev=review.rev + 1)
        self.reviews[run_id] = closed, cause
        return closed

    async def record(
        self,
        decision_id: str | None,
        review: Review,
        *,
        decision: DecisionSubmitted | None,
        actor: Actor,
        verdict: str,
        at: datetime,
    ) -> None:
        assert decision_id is None or decision_id not in self.decided
        self.decided[decision_id] = verdict

    async def was_recorded(self, decision_id: str) -> bool:
        return decision_id in self.decided

    async def due(self, now: datetime, limit: int) -> list[tuple[Review, Cause]]:
        return [
            (r, c)
            for r, c in self.reviews.values()
            if r.state is ReviewState.OPEN and r.deadline and r.deadline < now - EXPIRY_GRACE
        ][:limit]

    async def open_of(self, asset_ids: Sequence[str]) -> list[tuple[Review, Cause]]:
        return [(r, c) for r, c in self.reviews.values() if r.state is ReviewState.OPEN and r.ref.asset_id in asset_ids]

    async def bury(self, asset_ids: Sequence[str], at: datetime) -> None:
        self.buried |= set(asset_ids)

    async def is_buried(self, asset_id: str) -> bool:
        return asset_id in self.buried

    async def park(self, run_id: str, message: Message[Any]) -> None:
        self.parked.append(message)

    async def unpark(self, run_id: str) -> list[Message[Any]]:
        taken, self.parked = self.parked, []
        return taken

    async def count_open(self) -> int:
        return sum(r.state is ReviewState.OPEN for r, _ in self.reviews.values())

    async def publish(self, event: Event, cause: Cause) -> None:
        self.told.append(event)


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
    rows, clock = Rows(), FakeClock()
    submitted: dict[str, DecisionSubmitted] = {}
    asyncio.run(_play(rows, clock, plan, submitted))

    verdicts = [
        e
        for e in rows.told
        if isinstance(e, Accepted | Rejected)
        or (isinstance(e, ReviewUpdated) and e.change in (ReviewChange.EXPIRED, ReviewChange.WITHDRAWN))
    ]
    assert len(verdicts) <= 1, "a run has one end"
    revisions = [
        e.review_rev
        for e in rows.told
        if isinstance(e, Accepted | Rejected | ReviewUpdated) and getattr(e, "change", None) is not ReviewChange.REFUSED
    ]
    assert revisions == sorted(set(revisions)), "each change raises the revision"
    review = rows.reviews.get(RUN)
    assert (review is not None and review[0].state is not ReviewState.OPEN) == bool(verdicts)

    answers = Counter(e.decision_id for e in rows.told if getattr(e, "decision_id", None) is not None)
    waiting = {m.event.decision_id for m in rows.parked}
    for decision_id in submitted:
        assert answers[decision_id] == (0 if decision_id in waiting else 1), "each decision is answered once"
    for verdict in verdicts:
        if isinstance(verdict, Accepted | Rejected) and verdict.decision_id:
            mine = submitted[verdict.decision_id]
            assert mine.version_id == verdict.version_id == VERSION
            assert review is not None
            assert review[0].deadline is None or mine.submitted_at <= review[0].deadline, "late ones never count"


async def _play(
    rows: Rows, clock: FakeClock, plan: list[tuple[Any, ...]], submitted: dict[str, DecisionSubmitted]
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
                await open_review(rows, events.message(preview), clock.now())
            case ("decide", n, action, version, age):
                decision_id = f"01980000-0000-7000-8000-0000000000d{n}"
                if decision_id not in submitted:  # else it is delivered once more
                    submitted[decision_id] = events.decision_submitted(
                        **ref,
                        decision_id=decision_id,
                        action=action,
                        version_id=version,
                        next_run_id=None,
                        regenerate=False,
                        submitted_at=clock.now() - timedelta(seconds=age),
                    )
                already = {m.event.decision_id for m in rows.parked}
                if decision_id not in already:  # the inbox lets an event in once
                    await decide(rows, events.message(submitted[decision_id]), clock.now())
            case ("delete",):
                changed = events.episode_changed(deleted_asset_ids=[ASSET])
                await withdraw_reviews(rows, events.message(changed), clock.now())
            case ("sweep",):
                await expire_reviews(rows, clock.now())
            case ("pass", seconds):
                clock.move(seconds)
