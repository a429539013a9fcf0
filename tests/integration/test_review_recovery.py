"""Review's database alone is older than what the others know: what it had decided comes back from its own events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.review.commands.reviews import expire_reviews
from services.review.consumers import consumer_router
from services.review.recovery import recollection
from services.review.store.reviews import ReviewRepository
from shared.contracts.base import Event
from shared.contracts.events.gateway import DecisionAction
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.core.errors import UserError
from shared.core.ids import new_id
from shared.messaging.broker import BrokerConfig
from shared.messaging.events import Message, Publisher
from shared.messaging.recollection import bring_forward
from shared.postgres.pool import Connection, Pool, open_pool, transaction
from tests.conftest import FreshDatabase
from tests.support import restored
from tests.support.clock import FakeClock
from tests.support.events import decision_submitted, episode_changed, message, preview_ready, ref
from tests.support.postgres import Postgres

Step = Callable[[Pool], Awaitable[None]]


class History:
    """Everything that can become of a review, as steps; `inputs` are the events that review read, in order."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.publisher = Publisher(Service.REVIEW, clock, new_id)
        self.router = consumer_router(self.store, clock)
        self.inputs: list[Message[Event]] = []

    def store(self, connection: Connection) -> ReviewRepository:
        return ReviewRepository(connection, self.publisher)

    async def reads(self, pool: Pool, event: Event) -> None:
        self.clock.move(1)
        self.inputs.append(message(event, time=self.clock.now()))
        await restored.consume(pool, Service.REVIEW, self.router, self.inputs[-1:])

    async def expires(self, pool: Pool) -> None:
        self.clock.move(200)
        async with transaction(pool) as connection:
            await expire_reviews(self.store(connection), self.clock.now())

    def steps(self) -> list[Step]:
        accepted, rejected, automatic, expired, early, deleted, waiting, gone = (ref() for _ in range(8))
        seen = {r["run_id"]: preview_ready(**r) for r in (accepted, rejected, early, deleted, waiting)}
        seen[automatic["run_id"]] = preview_ready(**automatic, auto_approve=True)
        seen[expired["run_id"]] = preview_ready(**expired, review_timeout_s=60)
        seen[gone["run_id"]] = preview_ready(**gone)

        def preview(r: dict[str, Any]) -> Step:
            return lambda pool: self.reads(pool, seen[r["run_id"]])

        def decision(r: dict[str, Any], **more: Any) -> Step:
            version_id = seen[r["run_id"]].candidates[0].version_id
            event = decision_submitted(
                **r, **{"version_id": version_id, "submitted_at": self.clock.now() + timedelta(seconds=30)} | more
            )
            return lambda pool: self.reads(pool, event)

        def deletion(*refs: dict[str, Any]) -> Step:
            event = episode_changed(deleted_asset_ids=[r["asset_id"] for r in refs])
            return lambda pool: self.reads(pool, event)

        return [
            preview(accepted),
            preview(rejected),
            preview(deleted),
            decision(early, rating=4, feedback="Good"),
            decision(accepted, rating=5),
            preview(automatic),
            preview(expired),
            preview(early),
            decision(
                rejected, action=DecisionAction.REJECT, suggested_changes={"prompt_modifications": "Slower"},
                regenerate=True, next_run_id=new_id(),
            ),
            decision(accepted, action=DecisionAction.REJECT),  # too late: refused
            decision(rejected, version_id=new_id()),
            deletion(deleted, gone),
            preview(gone),
            decision(gone),
            preview(waiting),
            self.expires,
            decision(expired, submitted_at=self.clock.now() + timedelta(hours=1)),
        ]  # fmt: skip


@pytest.mark.parametrize("cut", [0, 8, 15])
async def test_a_review_database_of_any_moment_is_brought_forward(
    fresh_database: FreshDatabase, postgres: Postgres, clock: FakeClock, cut: int
) -> None:
    """After the fold, and after reading everything again, it is as if nothing had been lost."""
    history, url = History(clock), await fresh_database("review")
    recalled = recollection(history.publisher, clock)
    await restored.check_brought_forward(postgres, url, Service.REVIEW, history, recalled, cut, _state)


async def _state(pool: Pool) -> dict[str, Any]:
    return {table: await restored.rows(pool, table, *UNTOLD.get(table, ())) for table in TABLES}


TABLES = ("reviews", "decisions", "deleted_assets", "parked")
UNTOLD = {
    "reviews": ("opened_at", "closed_at", "deadline", "event_id"),
    "decisions": ("id", "submitted_at", "decided_at"),
    "deleted_assets": ("deleted_at",),
    "parked": ("id", "parked_at"),
}


@pytest.fixture
def nowhere() -> BrokerConfig:
    return BrokerConfig("127.0.0.1:1", Service.REVIEW)


async def test_a_moment_before_the_databases_own_is_refused(
    fresh_database: FreshDatabase, nowhere: BrokerConfig
) -> None:
    recalled = recollection(Publisher(Service.REVIEW, SystemClock(), new_id), SystemClock())
    async with open_pool(await fresh_database("review"), size=2) as pool:
        await pool.execute("insert into inbox (event_id, topic) values ($1, 'preview-ready')", new_id())
        with pytest.raises(UserError, match="has applied events until") as refused:
            await bring_forward(nowhere, pool, recalled, datetime.now(UTC) - timedelta(hours=1))
    assert refused.value.code == "database_newer"


async def test_a_moment_that_the_topics_have_forgotten_is_refused(
    fresh_database: FreshDatabase, nowhere: BrokerConfig
) -> None:
    recalled = recollection(Publisher(Service.REVIEW, SystemClock(), new_id), SystemClock())
    async with open_pool(await fresh_database("review"), size=2) as pool:
        with pytest.raises(UserError, match="The topics keep 7 days") as refused:
            await bring_forward(nowhere, pool, recalled, datetime.now(UTC) - timedelta(days=7))
    assert refused.value.code == "topics_too_short"


async def test_nothing_is_recovered_beside_a_service_that_runs(
    fresh_database: FreshDatabase, nowhere: BrokerConfig
) -> None:
    recalled = recollection(Publisher(Service.REVIEW, SystemClock(), new_id), SystemClock())
    url = await fresh_database("review")
    async with open_pool(url, size=2) as pool, open_pool(url, size=2, application="retake-review"):
        with pytest.raises(UserError, match="review is still running"):
            await bring_forward(nowhere, pool, recalled, datetime.now(UTC) - timedelta(hours=1))


async def test_what_nobody_has_heard_of_yet_is_decided_now(fresh_database: FreshDatabase, clock: FakeClock) -> None:
    """The database was lost before its relay had published the verdict."""
    history = History(clock)
    r = ref()
    preview = preview_ready(**r)
    decision = decision_submitted(**r, version_id=preview.candidates[0].version_id, submitted_at=clock.now())
    async with open_pool(await fresh_database("review"), size=2) as pool:
        await history.reads(pool, preview)
        await history.reads(pool, decision)
        opened, verdict = await restored.published(pool)
    async with open_pool(await fresh_database("review"), size=2) as pool:
        recalled = recollection(history.publisher, clock)
        assert await restored.fold(pool, recalled, [opened], history.inputs) == {}
        assert await pool.fetchval("select state from reviews") == "open"
        await restored.consume(pool, Service.REVIEW, history.router, history.inputs)
        [again] = await restored.published(pool)
    assert (again.topic, again.event.decision_id) == (verdict.topic, decision.decision_id)  # type: ignore[attr-defined]
    assert again.event.review_rev == verdict.event.review_rev  # type: ignore[attr-defined]


async def test_a_review_whose_preview_no_topic_has_is_named(fresh_database: FreshDatabase, clock: FakeClock) -> None:
    history = History(clock)
    async with open_pool(await fresh_database("review"), size=2) as pool:
        await history.reads(pool, preview_ready())
        own = await restored.published(pool)
    async with open_pool(await fresh_database("review"), size=2) as pool:
        people = await restored.fold(pool, recollection(history.publisher, clock), own, [])
    assert people == {own[0].event.subject: "its review was opened, but no topic has its preview"}
