"""Review over a real PostgreSQL: once per run, in time, whatever the order in which events come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.review.commands.expire_reviews import expire_reviews
from services.review.consumers import consumer_router, refuse_dead_letters
from services.review.store.reviews import PostgresReviews
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
from tests.support.messaging import hand_over


@dataclass
class Desk:
    """The service without a broker: events in by its handlers, events out from its outbox."""

    pool: Pool
    clock: FakeClock
    run_id: str = field(default_factory=new_id)
    asset_id: str = field(default_factory=new_id)
    version_id: str = field(default_factory=new_id)

    def store(self, connection: Connection) -> PostgresReviews:
        return PostgresReviews(connection, Publisher(Service.REVIEW, self.clock, new_id))

    async def take(self, event: Event) -> None:
        handlers = handlers_of(consumer_router(self.store, self.clock), Service.REVIEW)
        async with transaction(self.pool) as connection:
            await hand_over(connection, Message(event, sample_envelope(event)), handlers)

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
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
async def desk(fresh_database: FreshDatabase, clock: FakeClock) -> AsyncIterator[Desk]:
    async with open_pool(await fresh_database("review")) as pool:
        yield Desk(pool, clock)


async def test_a_preview_opens_a_review_with_its_deadline(desk: Desk) -> None:
    await desk.take(desk.preview())
    [(topic, update)] = await desk.told()
    assert (topic, update["change"], update["state"]) == ("review-updated", "opened", "open")
    assert update["deadline"] == desk.clock.now() + timedelta(minutes=30)


async def test_no_timeout_means_no_deadline(desk: Desk) -> None:
    await desk.take(desk.preview(review_timeout_s=None))
    assert (await desk.told())[0][1]["deadline"] is None


async def test_the_same_preview_again_changes_nothing(desk: Desk) -> None:
    await desk.take(desk.preview())
    await desk.take(desk.preview())
    assert len(await desk.told()) == 1


@pytest.mark.parametrize(
    ("action", "topic"),
    [
        (DecisionAction.APPROVE, "accepted"),
        (DecisionAction.REJECT, "rejected"),
        (DecisionAction.REQUEST_REGENERATION, "rejected"),
    ],
)
async def test_the_first_decision_counts_and_every_later_one_is_refused(
    desk: Desk, action: DecisionAction, topic: str
) -> None:
    await desk.take(desk.preview())
    first = desk.decision(action)
    await desk.take(first)
    await desk.take(desk.decision(DecisionAction.APPROVE))
    told = await desk.told()
    assert [t for t, _ in told] == ["review-updated", topic, "review-updated"]
    assert told[1][1]["decision_id"] == first.decision_id
    assert (told[2][1]["change"], told[2][1]["reason"]) == ("refused", "already_decided")


async def test_the_same_decision_twice_is_told_once(desk: Desk) -> None:
    await desk.take(desk.preview())
    decision = desk.decision()
    await desk.take(decision)
    await desk.take(decision)
    assert [t for t, _ in await desk.told()] == ["review-updated", "accepted"]


async def test_a_decision_that_comes_before_its_preview_counts_when_it_comes(desk: Desk) -> None:
    await desk.take(desk.decision())
    assert await desk.told() == []
    await desk.take(desk.preview())
    assert [t for t, _ in await desk.told()] == ["review-updated", "accepted"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version_id": new_id()}, "not_a_candidate"),
        ({"asset_id": new_id()}, "foreign"),
    ],
)
async def test_a_decision_on_something_else_is_refused(desk: Desk, changes: dict[str, str], reason: str) -> None:
    await desk.take(desk.preview())
    await desk.take(desk.decision(**changes))
    told = await desk.told()
    assert (told[-1][1]["change"], told[-1][1]["reason"]) == ("refused", reason)
    await desk.take(desk.decision())
    assert (await desk.told())[-1][0] == "accepted"


async def test_a_decision_submitted_in_time_wins_although_it_arrives_late(desk: Desk) -> None:
    await desk.take(desk.preview())
    decision = desk.decision()
    desk.clock.move(1800 + 59)
    async with transaction(desk.pool) as connection:
        assert await expire_reviews(desk.store(connection), desk.clock.now()) == 0
    await desk.take(decision)
    assert (await desk.told())[-1][0] == "accepted"


async def test_a_review_expires_after_its_deadline_and_refuses_then(desk: Desk) -> None:
    await desk.take(desk.preview())
    desk.clock.move(1800 + 61)
    async with transaction(desk.pool) as connection:
        assert await expire_reviews(desk.store(connection), desk.clock.now()) == 1
        assert await expire_reviews(desk.store(connection), desk.clock.now()) == 0
    await desk.take(desk.decision())
    told = await desk.told()
    assert [(e["change"], e["reason"]) for _, e in told[1:]] == [("expired", None), ("refused", "expired")]


async def test_a_decision_after_the_deadline_is_refused_and_ends_the_waiting_at_once(desk: Desk) -> None:
    await desk.take(desk.preview())
    desk.clock.move(1801)
    await desk.take(desk.decision())
    told = await desk.told()
    assert [(e["change"], e["reason"]) for _, e in told[1:]] == [("expired", None), ("refused", "expired")], (
        "who was told that it expired can reopen it now, not after the sweep"
    )
    await desk.take(desk.decision())
    assert [(e["change"], e["reason"]) for _, e in (await desk.told())[3:]] == [("refused", "expired")]


async def test_auto_approve_opens_and_accepts_at_once(desk: Desk) -> None:
    await desk.take(desk.preview(auto_approve=True))
    [(topic, accepted)] = await desk.told()
    assert (topic, accepted["actor"]["kind"], accepted["decision_id"]) == ("accepted", "policy", None)
    assert accepted["version_id"] == desk.version_id


async def test_who_rolled_back_is_who_decided(desk: Desk) -> None:
    person = {"kind": "user", "user_id": "ana"}
    await desk.take(desk.preview(auto_approve=True, source="existing", actor=person))
    [(topic, accepted)] = await desk.told()
    assert (topic, accepted["actor"]) == ("accepted", person)


async def test_deletion_withdraws_what_is_open(desk: Desk) -> None:
    await desk.take(desk.preview())
    await desk.take(desk.deletion())
    await desk.take(desk.decision())
    assert [(e["change"], e["reason"]) for _, e in (await desk.told())[1:]] == [
        ("withdrawn", None),
        ("refused", "withdrawn"),
    ]


async def test_a_preview_of_a_deleted_asset_never_opens(desk: Desk) -> None:
    await desk.take(desk.deletion())
    await desk.take(desk.preview(auto_approve=True))
    assert [e["change"] for _, e in await desk.told()] == ["withdrawn"]


async def test_of_fifty_decisions_at_once_one_counts(desk: Desk) -> None:
    await desk.take(desk.preview())
    actions = [DecisionAction.APPROVE, DecisionAction.REJECT] * 25
    await asyncio.gather(*(desk.take(desk.decision(a)) for a in actions))
    told = await desk.told()
    assert sum(t in ("accepted", "rejected") for t, _ in told) == 1
    assert sum(e.get("reason") == "already_decided" for _, e in told) == 49
    async with transaction(desk.pool) as connection:
        verdicts = await connection.fetch("select verdict, count(*) as n from decisions group by verdict")
    assert {r["verdict"]: r["n"] for r in verdicts}["refused"] == 49


async def test_a_decision_that_cannot_be_read_is_refused_so_that_nobody_waits(desk: Desk) -> None:
    decision = desk.decision()
    body = decision.model_dump_json().replace('"rating":2', '"rating":9')
    headers = {k: v.decode() for k, v in sample_envelope(decision).headers()}
    letter = DeadLetter(Service.REVIEW, "decision-submitted", decision.asset_id, headers, body, {})
    async with transaction(desk.pool) as connection:
        await refuse_dead_letters(desk.store)(connection, letter)
    [(topic, update)] = await desk.told()
    assert (topic, update["change"], update["decision_id"]) == ("review-updated", "refused", decision.decision_id)
