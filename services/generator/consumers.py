"""Event handlers: each calls one command, within the transaction of its batch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from faststream.kafka import KafkaRouter

from services.generator import metrics
from services.generator.commands.assets import delete_assets, restore_assets
from services.generator.commands.imports import cancel_import, cancel_imports_of, start_import
from services.generator.commands.runs import (
    Capabilities,
    cancel_run,
    close_rejected,
    close_reviewed,
    refuse_request,
    start_run,
)
from services.generator.commands.versions import commit_version
from services.generator.domain.runs import Run
from services.generator.domain.states import TERMINAL
from services.generator.store.imports import ImportRepository
from services.generator.store.runs import RunRepository
from services.generator.store.versions import VersionRepository
from shared.contracts.base import Event
from shared.contracts.events.gateway import CancelRequested, EpisodeChanged, ImportRequested, RegenerateRequested
from shared.contracts.events.review import Accepted, Rejected, ReviewUpdated
from shared.contracts.topics import Service
from shared.contracts.values import Ref
from shared.core.clock import Clock
from shared.core.errors import Permanent
from shared.core.ids import is_id
from shared.messaging.consumer import OnDeadLetter
from shared.messaging.dead_letters import DeadLetter
from shared.messaging.routers import Delivery, handlers_of, on
from shared.postgres.pool import Connection

E = TypeVar("E", bound=Event)


@dataclass(frozen=True)
class Stores:
    """The repositories, each bound to the transaction that it is given."""

    runs: Callable[[Connection], RunRepository]
    versions: Callable[[Connection], VersionRepository]
    imports: Callable[[Connection], ImportRepository]


def consumer_router(stores: Stores, capabilities: Capabilities, clock: Clock) -> KafkaRouter:
    router = KafkaRouter()

    @on(router, RegenerateRequested)
    @_with_valid_ids
    async def on_regenerate_requested(delivery: Delivery[RegenerateRequested]) -> None:
        runs = stores.runs(delivery.connection)
        asset = await start_run(runs, delivery.message, capabilities, clock.now())
        if asset.parked:
            for early in await runs.unpark(delivery.message.event.run_id):
                await handle(Delivery(early, delivery.connection))

    @on(router, Accepted)
    @_with_valid_ids
    async def on_accepted(delivery: Delivery[Accepted]) -> None:
        count(await commit_version(stores.versions(delivery.connection), delivery.message, clock.now()))

    @on(router, Rejected)
    @_with_valid_ids
    async def on_rejected(delivery: Delivery[Rejected]) -> None:
        count(await close_rejected(stores.runs(delivery.connection), delivery.message, clock.now()))

    @on(router, ReviewUpdated)
    @_with_valid_ids
    async def on_review_updated(delivery: Delivery[ReviewUpdated]) -> None:
        count(await close_reviewed(stores.runs(delivery.connection), delivery.message, clock.now()))

    @on(router, CancelRequested)
    @_with_valid_ids
    async def on_cancel_requested(delivery: Delivery[CancelRequested]) -> None:
        count(await cancel_run(stores.runs(delivery.connection), delivery.message, clock.now()))
        await cancel_import(stores.imports(delivery.connection), delivery.message, clock.now())

    @on(router, EpisodeChanged)
    @_with_valid_ids
    async def on_episode_changed(delivery: Delivery[EpisodeChanged]) -> None:
        for run in await delete_assets(stores.runs(delivery.connection), delivery.message, clock.now()):
            count(run)
        await restore_assets(stores.runs(delivery.connection), delivery.message)
        await cancel_imports_of(stores.imports(delivery.connection), delivery.message, clock.now())

    @on(router, ImportRequested)
    @_with_valid_ids
    async def on_import_requested(delivery: Delivery[ImportRequested]) -> None:
        for early in await start_import(stores.imports(delivery.connection), delivery.message, clock.now()):
            await handle(Delivery(early, delivery.connection))

    async def handle(early: Delivery[Any]) -> None:
        """An event that was parked because it arrived before its run or import."""
        await handlers[early.message.topic](early)

    def count(run: Run | None) -> None:
        if run and run.state in TERMINAL:
            metrics.run_ended(run)

    handlers = handlers_of(router, Service.GENERATOR)
    return router


def refuse_dead_letters(runs: Callable[[Connection], RunRepository], clock: Clock) -> OnDeadLetter:
    """Publishes the failure of a command that cannot be read, so that its sender does not wait forever."""

    async def on_dead_letter(connection: Connection, letter: DeadLetter) -> None:
        await refuse_request(
            runs(connection),
            topic=letter.topic,
            key=letter.key,
            subject=letter.subject,
            body=letter.json(),
            cause=letter.as_cause(),
            now=clock.now(),
        )

    return on_dead_letter


def _with_valid_ids(handler: Callable[[Delivery[E]], Awaitable[None]]) -> Callable[[Delivery[E]], Awaitable[None]]:
    """Raises Permanent `bad_id` for an id that is not a UUID, before a database column would refuse it."""

    @wraps(handler)
    async def checked(delivery: Delivery[E]) -> None:
        event: Any = delivery.message.event
        named = [
            getattr(event, name)
            for name in ("run_id", "asset_id", "episode_id", "version_id", "import_id")
            if isinstance(event, Ref) or name in ("episode_id", "import_id")
            if getattr(event, name, None) is not None
        ]
        if invalid := [each for each in named if not is_id(each)]:
            raise Permanent("bad_id", f"{delivery.message.topic} has {invalid[0]!r}, which is not a valid id")
        await handler(delivery)

    return checked
