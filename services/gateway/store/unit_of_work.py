"""The store: every port of the use cases over one connection, in one transaction."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from services.gateway.commands.ports import ADVANCE, Entry
from services.gateway.domain.quotas import Quotas
from services.gateway.store.accounts import PostgresAccounts, PostgresProjects
from services.gateway.store.assets import PostgresAssets
from services.gateway.store.batches import PostgresBatches
from services.gateway.store.episodes import PostgresEpisodes
from services.gateway.store.films import PostgresFilms
from services.gateway.store.imports import PostgresImports, PostgresUploads
from services.gateway.store.reviews import PostgresReviews
from services.gateway.store.runs import PostgresRuns
from services.gateway.store.versions import PostgresVersions
from shared.contracts.base import Event
from shared.contracts.catalogue import Catalogue
from shared.jobs import queue as jobs
from shared.messaging import outbox
from shared.messaging.events import Cause, Message, Publisher
from shared.postgres.deferred_writes import later
from shared.postgres.pool import Connection

FOR_USER: Final = frozenset({"preview-ready", "failed", "complete", "film-updated", "changed"})
"""What the stream of all my projects carries."""

_LOG: Final = """
    insert into event_log (project_id, episode_id, name, data, to_user)
    select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[])
"""


@dataclass(frozen=True)
class PostgresStores:
    """Makes stores: call it with a connection in a transaction, and the event in hand if there is one."""

    publisher: Publisher
    catalogue: Catalogue
    default_provider: str
    step_by_step_share: float = 1.0
    quotas: Quotas = field(default_factory=Quotas)

    def __call__(self, connection: Connection, told: Message[Any] | None = None) -> PostgresStore:
        return PostgresStore(connection, self, told)


class PostgresStore:
    """Implements `usecases.ports.Store`. Parts are made when they are first used."""

    def __init__(self, connection: Connection, kit: PostgresStores, told: Message[Any] | None) -> None:
        self._db = connection
        self._kit = kit
        self._told = told

    @cached_property
    def accounts(self) -> PostgresAccounts:
        return PostgresAccounts(self._db)

    @cached_property
    def projects(self) -> PostgresProjects:
        return PostgresProjects(self._db)

    @cached_property
    def episodes(self) -> PostgresEpisodes:
        return PostgresEpisodes(self._db)

    @cached_property
    def assets(self) -> PostgresAssets:
        return PostgresAssets(self._db)

    @cached_property
    def runs(self) -> PostgresRuns:
        return PostgresRuns(self._db)

    @cached_property
    def versions(self) -> PostgresVersions:
        return PostgresVersions(self._db)

    @cached_property
    def reviews(self) -> PostgresReviews:
        return PostgresReviews(self._db)

    @cached_property
    def batches(self) -> PostgresBatches:
        return PostgresBatches(self._db)

    @cached_property
    def films(self) -> PostgresFilms:
        return PostgresFilms(self._db)

    @cached_property
    def imports(self) -> PostgresImports:
        return PostgresImports(self._db)

    @cached_property
    def uploads(self) -> PostgresUploads:
        return PostgresUploads(self._db)

    @property
    def catalogue(self) -> Catalogue:
        return self._kit.catalogue

    @property
    def default_provider(self) -> str:
        return self._kit.default_provider

    @property
    def step_by_step_share(self) -> float:
        return self._kit.step_by_step_share

    @property
    def quotas(self) -> Quotas:
        return self._kit.quotas

    def now(self) -> datetime:
        return self._kit.publisher.clock.now()

    def new_id(self) -> str:
        return self._kit.publisher.new_id()

    @cached_property
    def _command_id(self) -> str:
        """What everything that this command causes has in common."""
        return self.new_id()

    async def publish(self, project_id: str, owner_id: str, *events: Event, correlation_id: str | None = None) -> None:
        told = self._told.cause if self._told else None
        cause = Cause(
            project_id,
            owner_id,
            correlation_id or (told.correlation_id if told else self._command_id),
            told.causation_id if told else None,
        )
        await outbox.publish(self._db, self._kit.publisher.messages(events, cause))

    async def log(self, *entries: Entry) -> None:
        rows = [(e.project_id, e.episode_id, e.name, encoded(e.data), e.name in FOR_USER) for e in entries]
        await later(self._db, "event_log", _LOG, *(list(column) for column in zip(*rows, strict=True)))

    async def wake_batch(self, batch_id: str) -> None:
        await jobs.enqueue(self._db, self.new_id(), ADVANCE, payload={"batch_id": batch_id}, fair_key=batch_id)


def encoded(data: Any) -> str:
    """One line of JSON, as it goes out."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
