"""Review on a real PostgreSQL: one decision per run, in time, in whatever order events arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.review.commands.reviews import expire_reviews
from services.review.consumers import consumer_router, refuse_dead_letters
from services.review.jobs import deadline_sweep
from services.review.store.reviews import ReviewRepository
from shared.contracts.base import Event
from shared.contracts.docs.samples import SAMPLES, sample_envelope
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted, EpisodeChanged
from shared.contracts.events.generator import PreviewReady
from shared.contracts.topics import TOPICS, Service
from shared.contracts.values import Actor
from shared.core.ids import new_id
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.events import Message, Publisher
from shared.messaging.routers import handlers_of
from shared.postgres.pool import Connection, Pool, open_pool, transaction
from tests.conftest import FreshDatabase
from tests.support.clock import FakeClock
from tests.support.messaging import hand_over, hand_over_at_once
from tests.support.waiting import eventually


@dataclass
class ReviewHarness:
    """The service without a broker: events go to its handlers and are read from its outbox."""

    pool: Pool
    clock: FakeClock
    run_id: str = field(default_factory=new_id)
    asset_id: str = field(default_factory=new_id)
    version_id: str = field(default_factory=new_id)

    def store(self, connection: Connection) -> ReviewRepository:
        return ReviewRepository(connection, Publisher(Service.REVIEW, self.clock, new_id))

    async def consume(self, event: Event) -> None:
        handlers = handlers_of(consumer_router(self.store, self.clock), Service.REVIEW)
        async with transaction(self.pool) as connection:
            await hand_over(connection, Message(event, sample_envelope(event)), handlers)

    async def consume_at_once(self, first: Event, second: Event) -> None:
        """As two replicas do: each in a transaction of its own, open at the same time."""
        messages = [Message(event, sample_envelope(event)) for event in (first, second)]
        handlers = handlers_of(consumer_router(self.store, self.clock), Service.REVIEW)
        await hand_over_at_once(self.pool, messages[0], messages[1], handlers)

    async def published(self) -> list[tuple[str, dict[str, Any]]]:
        async with transaction(self.pool) as connection:
            rows = await connection.fetch("select topic, body from outbox order by id")
        return [(r["topic"], TOPICS[r["topic"]].event.model_validate_json(r["body"]).model_dump()) for r in rows]

    def preview(self, **changes: Any) -> PreviewReady:
        sample = SAMPLES["preview-ready"]
        candidate = sample.candidates[0].model_copy(update={"version_id": self.version_id})  # type: ignore[attr-defined]
        return PreviewReady.model_validate(
            sample.model_dump()
            | {
                "run_id": self.run_id,
                "asset_id": self.asset_id,
                "candidates": [candidate.model_dump()],
                "review_timeout_s": 1800,
            }
            | changes
        )

    def decision(self, action: DecisionAction = DecisionAction.APPROVE, **changes: Any) -> DecisionSubmitted:
        return DecisionSubmitted.model_validate(
            SAMPLES["decision-submitted"].model_dump()
            | {
                "run_id": self.run_id,
                "asset_id": self.asset_id,
                "version_id": self.version_id,
                "action": action,
                "decision_id": new_id(),
                "submitted_at": self.clock.now(),
                "actor": Actor(kind="user", user_id="ana"),
            }
            | changes
        )

    def deletion(self) -> EpisodeChanged:
        return EpisodeChanged.model_validate(
            SAMPLES["episode-changed"].model_dump() | {"deleted_asset_ids": [self.asset_id]}
        )


@pytest_asyncio.fixture
async def review(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[ReviewHarness]:
    async with open_pool(await fresh_database("review")) as pool:
        yield ReviewHarness(pool, clock)


async def test_a_preview_opens_a_review_with_its_deadline(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    [(topic, update)] = await review.published()
    assert (topic, update["change"], update["state"]) == ("review-updated", "opened", "open")
    assert update["deadline"] == review.clock.now() + timedelta(minutes=30)


async def test_no_timeout_means_no_deadline(review: ReviewHarness) -> None:
    await review.consume(review.preview(review_timeout_s=None))
    assert (await review.published())[0][1]["deadline"] is None


async def test_the_same_preview_again_changes_nothing(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    await review.consume(review.preview())
    assert len(await review.published()) == 1


@pytest.mark.parametrize("preview_first", [True, False])
async def test_a_decision_and_its_preview_at_two_replicas_meet(review: ReviewHarness, preview_first: bool) -> None:
    pair = review.preview(), review.decision()
    await review.consume_at_once(*(pair if preview_first else reversed(pair)))
    assert [topic for topic, _ in await review.published()] == ["review-updated", "accepted"]
    assert await review.pool.fetchval("select count(*) from parked") == 0


@pytest.mark.parametrize("preview_first", [True, False])
async def test_a_deletion_and_a_preview_at_two_replicas_leave_no_open_review(
    review: ReviewHarness, preview_first: bool
) -> None:
    pair = review.preview(), review.deletion()
    await review.consume_at_once(*(pair if preview_first else reversed(pair)))
    assert await review.pool.fetchval("select array_agg(state) from reviews") == ["withdrawn"]
    assert (await review.published())[-1][1]["change"] == "withdrawn"


@pytest.mark.parametrize("decision_first", [True, False])
async def test_a_deletion_and_a_decision_at_two_replicas_leave_no_decision_unanswered(
    review: ReviewHarness, decision_first: bool
) -> None:
    pair = review.decision(), review.deletion()
    await review.consume_at_once(*(pair if decision_first else reversed(pair)))
    await review.consume(review.preview())
    refused = [e for _, e in await review.published() if e["change"] == "refused"]
    assert [e["reason"] for e in refused] == ["withdrawn"]


@pytest.mark.parametrize(
    ("action", "topic"),
    [
        (DecisionAction.APPROVE, "accepted"),
        (DecisionAction.REJECT, "rejected"),
        (DecisionAction.REQUEST_REGENERATION, "rejected"),
    ],
)
async def test_the_first_decision_counts_and_every_later_one_is_refused(
    review: ReviewHarness, action: DecisionAction, topic: str
) -> None:
    await review.consume(review.preview())
    first = review.decision(action)
    await review.consume(first)
    await review.consume(review.decision(DecisionAction.APPROVE))
    published = await review.published()
    assert [t for t, _ in published] == ["review-updated", topic, "review-updated"]
    assert published[1][1]["decision_id"] == first.decision_id
    assert (published[2][1]["change"], published[2][1]["reason"]) == ("refused", "already_decided")


async def test_a_repeated_decision_is_published_once(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    decision = review.decision()
    await review.consume(decision)
    await review.consume(decision)
    assert [t for t, _ in await review.published()] == ["review-updated", "accepted"]


async def test_a_decision_that_arrives_before_its_preview_counts_when_the_preview_arrives(
    review: ReviewHarness,
) -> None:
    await review.consume(review.decision())
    assert await review.published() == []
    await review.consume(review.preview())
    assert [t for t, _ in await review.published()] == ["review-updated", "accepted"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version_id": new_id()}, "not_a_candidate"),
        ({"asset_id": new_id()}, "foreign"),
    ],
)
async def test_a_decision_on_something_else_is_refused(
    review: ReviewHarness, changes: dict[str, str], reason: str
) -> None:
    await review.consume(review.preview())
    await review.consume(review.decision(**changes))
    published = await review.published()
    assert (published[-1][1]["change"], published[-1][1]["reason"]) == ("refused", reason)
    await review.consume(review.decision())
    assert (await review.published())[-1][0] == "accepted"


async def test_a_decision_submitted_in_time_wins_although_it_arrives_late(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    decision = review.decision()
    review.clock.move(1800 + 59)
    async with transaction(review.pool) as connection:
        assert await expire_reviews(review.store(connection), review.clock.now()) == 0
    await review.consume(decision)
    assert (await review.published())[-1][0] == "accepted"


async def test_a_review_expires_after_its_deadline_and_then_refuses_decisions(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    review.clock.move(1800 + 61)
    async with transaction(review.pool) as connection:
        assert await expire_reviews(review.store(connection), review.clock.now()) == 1
        assert await expire_reviews(review.store(connection), review.clock.now()) == 0
    await review.consume(review.decision())
    published = await review.published()
    assert [(e["change"], e["reason"]) for _, e in published[1:]] == [("expired", None), ("refused", "expired")]


async def test_the_sweep_expires_nothing_while_another_replica_holds_an_unread_decision(
    review: ReviewHarness,
) -> None:
    answers: list[bool] = []

    async def all_read() -> bool:
        answers.append(len(answers) > 3)
        return answers[-1]

    async def state() -> str | None:
        async with review.pool.acquire() as connection:
            return str(await connection.fetchval("select state from reviews"))

    await review.consume(review.preview())
    review.clock.move(timedelta(minutes=32).total_seconds())
    async with deadline_sweep(
        review.pool,
        review.store,
        clock=QuickRounds(review.clock),
        settled_for=lambda: 1000.0,
        settled_s=120.0,
        all_replicas_have_read=all_read,
    ):
        await eventually(lambda: len(answers) == 3)
        assert await state() == "open"
        await eventually(lambda: _is(state, "expired"))
    assert answers == [False] * 4 + [True]


async def _is(state: Callable[[], Awaitable[str | None]], expected: str) -> bool:
    return await state() == expected


class QuickRounds(FakeClock):
    """The time of another clock; sleeping takes a moment of real time and moves nothing."""

    def __init__(self, of: FakeClock) -> None:
        self._of = of

    def now(self) -> datetime:
        return self._of.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.05)


async def test_a_decision_after_the_deadline_is_refused_and_expires_the_review_at_once(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    review.clock.move(1801)
    await review.consume(review.decision())
    published = await review.published()
    assert [(e["change"], e["reason"]) for _, e in published[1:]] == [("expired", None), ("refused", "expired")], (
        "a user who is told that the review expired can reopen it now, not only after the sweep"
    )
    await review.consume(review.decision())
    assert [(e["change"], e["reason"]) for _, e in (await review.published())[3:]] == [("refused", "expired")]


async def test_auto_approve_opens_and_accepts_at_once(review: ReviewHarness) -> None:
    await review.consume(review.preview(auto_approve=True))
    [(topic, accepted)] = await review.published()
    assert (topic, accepted["actor"]["kind"], accepted["decision_id"]) == ("accepted", "policy", None)
    assert accepted["version_id"] == review.version_id


async def test_the_person_who_rolled_back_is_the_one_who_decided(review: ReviewHarness) -> None:
    person = {"kind": "user", "user_id": "ana"}
    await review.consume(review.preview(auto_approve=True, source="existing", actor=person))
    [(topic, accepted)] = await review.published()
    assert (topic, accepted["actor"]) == ("accepted", person)


async def test_deletion_withdraws_open_reviews(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    await review.consume(review.deletion())
    await review.consume(review.decision())
    assert [(e["change"], e["reason"]) for _, e in (await review.published())[1:]] == [
        ("withdrawn", None),
        ("refused", "withdrawn"),
    ]


async def test_a_preview_of_a_deleted_asset_never_opens(review: ReviewHarness) -> None:
    await review.consume(review.deletion())
    await review.consume(review.preview(auto_approve=True))
    assert [e["change"] for _, e in await review.published()] == ["withdrawn"]


async def test_a_preview_of_a_restored_asset_opens(review: ReviewHarness) -> None:
    await review.consume(review.deletion())
    await review.consume(
        EpisodeChanged.model_validate(
            SAMPLES["episode-changed"].model_dump() | {"restored_asset_ids": [review.asset_id], "deleted_asset_ids": []}
        )
    )
    await review.consume(review.preview())
    assert [e["change"] for _, e in await review.published()] == ["opened"]


async def test_of_fifty_concurrent_decisions_one_counts(review: ReviewHarness) -> None:
    await review.consume(review.preview())
    actions = [DecisionAction.APPROVE, DecisionAction.REJECT] * 25
    await asyncio.gather(*(review.consume(review.decision(a)) for a in actions))
    published = await review.published()
    assert sum(t in ("accepted", "rejected") for t, _ in published) == 1
    assert sum(e.get("reason") == "already_decided" for _, e in published) == 49
    async with transaction(review.pool) as connection:
        verdicts = await connection.fetch("select verdict, count(*) as n from decisions group by verdict")
    assert {r["verdict"]: r["n"] for r in verdicts}["refused"] == 49


async def test_an_unreadable_decision_is_refused(review: ReviewHarness) -> None:
    decision = review.decision()
    body = decision.model_dump_json().replace('"rating":2', '"rating":9')
    headers = {k: v.decode() for k, v in sample_envelope(decision).headers()}
    letter = DeadLetter(Service.REVIEW, "decision-submitted", decision.asset_id, headers, body, {})
    async with transaction(review.pool) as connection:
        await refuse_dead_letters(review.store)(connection, letter)
    [(topic, update)] = await review.published()
    assert (topic, update["change"], update["decision_id"]) == ("review-updated", "refused", decision.decision_id)
