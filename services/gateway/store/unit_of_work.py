"""One transaction: every repository over one connection, the outbox and the event log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from services.gateway.domain.errors import does_not_fit
from services.gateway.domain.event_log import StreamEvent
from services.gateway.domain.quotas import Quotas
from services.gateway.store.accounts import AccountRepository
from services.gateway.store.assets import AssetRepository
from services.gateway.store.batches import BatchRepository
from services.gateway.store.episodes import EpisodeRepository
from services.gateway.store.films import FilmRepository
from services.gateway.store.imports import ImportRepository
from services.gateway.store.notes import NoteRepository
from services.gateway.store.partial_uploads import PartialUploadRepository
from services.gateway.store.projects import ProjectRepository
from services.gateway.store.reviews import ReviewRepository
from services.gateway.store.runs import RunRepository
from services.gateway.store.shares import ShareRepository
from services.gateway.store.uploads import UploadRepository
from services.gateway.store.versions import VersionRepository
from shared.contracts.base import Event
from shared.contracts.catalogue import Catalogue
from shared.core.errors import Permanent
from shared.jobs import queue as jobs
from shared.messaging import outbox
from shared.messaging.events import Cause, Message, Publisher
from shared.postgres.deferred_writes import defer
from shared.postgres.pool import Connection

ADVANCE_BATCH: Final = "advance-batch"
"""The kind of job that `wake_batch` enqueues; its payload is {batch_id}."""

FOR_USER: Final = frozenset({"preview-ready", "failed", "complete", "film-updated", "changed"})
"""The events on the stream of all projects of a user; the stream of one project has every event."""

_LOG: Final = """
    insert into event_log (project_id, episode_id, name, data, to_user)
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[])
"""


@dataclass(frozen=True)
class StoreFactory:
    """Call it with a connection in a transaction and, in a consumer, with the message that is being applied."""

    publisher: Publisher
    catalogue: Catalogue
    default_provider: str
    step_by_step_share: float = 1.0
    quotas: Quotas = field(default_factory=Quotas)

    def __call__(self, connection: Connection, applied: Message[Any] | None = None) -> Store:
        return Store(connection, self, applied)


class Store:
    """Everything that a command or a projection reads and writes, in one transaction.

    `lock` methods hold the row until the transaction ends. The order is batch, asset, run, review: PostgreSQL breaks a
    deadlock and the transaction is repeated, but this order keeps deadlocks rare.
    """

    def __init__(self, connection: Connection, factory: StoreFactory, applied: Message[Any] | None) -> None:
        self._db = connection
        self._factory = factory
        self._applied = applied

    @cached_property
    def accounts(self) -> AccountRepository:
        return AccountRepository(self._db)

    @cached_property
    def projects(self) -> ProjectRepository:
        return ProjectRepository(self._db)

    @cached_property
    def episodes(self) -> EpisodeRepository:
        return EpisodeRepository(self._db)

    @cached_property
    def assets(self) -> AssetRepository:
        return AssetRepository(self._db)

    @cached_property
    def runs(self) -> RunRepository:
        return RunRepository(self._db)

    @cached_property
    def versions(self) -> VersionRepository:
        return VersionRepository(self._db)

    @cached_property
    def reviews(self) -> ReviewRepository:
        return ReviewRepository(self._db)

    @cached_property
    def notes(self) -> NoteRepository:
        return NoteRepository(self._db)

    @cached_property
    def shares(self) -> ShareRepository:
        return ShareRepository(self._db)

    @cached_property
    def batches(self) -> BatchRepository:
        return BatchRepository(self._db)

    @cached_property
    def films(self) -> FilmRepository:
        return FilmRepository(self._db)

    @cached_property
    def imports(self) -> ImportRepository:
        return ImportRepository(self._db)

    @cached_property
    def uploads(self) -> UploadRepository:
        return UploadRepository(self._db)

    @cached_property
    def partial_uploads(self) -> PartialUploadRepository:
        return PartialUploadRepository(self._db)

    @property
    def catalogue(self) -> Catalogue:
        return self._factory.catalogue

    @property
    def default_provider(self) -> str:
        return self._factory.default_provider

    @property
    def step_by_step_share(self) -> float:
        """The share (0-1) of projects without a chosen workflow that go step by step."""
        return self._factory.step_by_step_share

    @property
    def quotas(self) -> Quotas:
        return self._factory.quotas

    def now(self) -> datetime:
        return self._factory.publisher.clock.now()

    def new_id(self) -> str:
        return self._factory.publisher.new_id()

    @cached_property
    def _command_id(self) -> str:
        """The correlation id of everything that this command causes."""
        return self.new_id()

    def check_size(self, event: Event, what_to_shorten: str) -> None:
        """Call it before the first write. Raises Refusal invalid for an event that no broker takes."""
        try:
            outbox.body_of(event)
        except Permanent as error:
            raise does_not_fit(what_to_shorten) from error

    async def publish(self, project_id: str, owner_id: str, *events: Event, correlation_id: str | None = None) -> None:
        """Writes events to the outbox. By default they are correlated with the message that is applied, or with the
        command."""
        applied = self._applied.cause if self._applied else None
        cause = Cause(
            project_id,
            owner_id,
            correlation_id or (applied.correlation_id if applied else self._command_id),
            applied.causation_id if applied else None,
        )
        await outbox.publish(self._db, self._factory.publisher.messages(events, cause))

    async def log(self, *events: StreamEvent) -> None:
        """Appends to the event log of the streams; the events are numbered at the end of the transaction."""
        rows = [(e.project_id, e.episode_id, e.name, e.data, e.name in FOR_USER) for e in events]
        await defer(self._db, "event_log", _LOG, *(list(column) for column in zip(*rows, strict=True)))

    async def wake_batch(self, batch_id: str) -> None:
        """Enqueues `advance_batch`, which runs in a transaction of its own."""
        await jobs.enqueue(self._db, self.new_id(), ADVANCE_BATCH, payload={"batch_id": batch_id}, fair_key=batch_id)
