"""Marks expired records, deletes them with their objects after the grace period, and collects orphaned objects.

Every step is a short transaction over a bounded batch, so that no request waits for retention. A crash anywhere is
harmless: objects are deleted before their row, and an unfinished step is found again by the next round.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog

from shared.contracts.retention import GRACE, Action, Disposition, delete_after
from shared.objects import ObjectStore, StoredObject
from shared.observability.metrics import RETENTION_FREED, RETENTION_FREED_BYTES
from shared.postgres.pool import Connection, Pool
from shared.postgres.retry import retryable_transaction

log = structlog.get_logger(__name__)

BATCH: Final = 100  # rows locked by one transaction
BATCHES_MAX: Final = 50  # per table and round; the next round continues
PAGE: Final = 500  # objects looked up in one transaction


class Record(Protocol):
    """A row that owns objects, as its rule needs to see it."""

    @property
    def id(self) -> str: ...

    @property
    def what(self) -> str:
        """Names the record for people, for example `video version 3`."""
        ...

    @property
    def project_id(self) -> str | None:
        """None if the record belongs to no project."""
        ...

    @property
    def size(self) -> int:
        """Bytes of all its objects."""
        ...


R = TypeVar("R", bound=Record)


class RetentionRepository(Protocol[R]):
    """The SQL of one table, bound to a transaction."""

    async def lock_expired(self, now: datetime, limit: int) -> list[str]:
        """Locks unmarked records that the rule marks now. Rows locked by others are skipped until the next round, so
        that either a new use of a record or its mark comes first."""
        ...

    async def lock_marked(self, marked_before: datetime, limit: int) -> list[str]:
        """Locks marked records whose grace period is over."""
        ...

    async def load(self, ids: Sequence[str]) -> list[R]:
        """The records as they are now. A statement of its own, so that it sees what was committed while this
        transaction waited for its locks."""
        ...

    def load_all(self, project_id: str | None) -> AsyncIterator[R]:
        """Every record of a project, or of all."""
        ...

    async def mark(self, ids: Sequence[str], now: datetime) -> None: ...

    async def release(self, ids: Sequence[str]) -> list[str]:
        """Makes sure that no new use finds these records, and returns the keys of their objects."""
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Deletes the rows, once the objects are deleted. A row that was created again in the meantime stays."""
        ...


@dataclass(frozen=True)
class Table(Generic[R]):
    """A table whose rows own objects.

    `name` is the label in metrics and logs. `folder` gives the key prefix below which everything belongs to one record;
    without it only the objects that the row names are deleted with it.
    """

    name: str
    repository: Callable[[Connection], RetentionRepository[R]]
    rule: Callable[[R, datetime], Disposition]
    folder: Callable[[str], str] | None = None


@dataclass(frozen=True)
class Orphans:
    """Which objects may be deleted because no row refers to them.

    `folders` maps a key prefix to how long an object is kept after it was written: its row is written by then, or
    never. Objects elsewhere are not touched. `referenced` returns those of the given keys that must stay.
    """

    folders: Mapping[str, timedelta]
    referenced: Callable[[Connection, Sequence[str]], Awaitable[set[str]]]


Statement = Callable[[Connection, datetime], Awaitable[object]]


@dataclass(frozen=True)
class Freed:
    """The result of a round; `size` in bytes."""

    marked: int = 0
    deleted: int = 0
    size: int = 0

    def __add__(self, other: Freed) -> Freed:
        return Freed(self.marked + other.marked, self.deleted + other.deleted, self.size + other.size)


@dataclass(frozen=True)
class Explanation:
    """What would happen to a record or an object now. `size` in bytes."""

    id: str
    what: str
    project_id: str | None
    size: int
    disposition: Disposition


@dataclass(frozen=True)
class RetentionService:
    """The retention of one service. Several may run at once. Every method raises what the object store raises, and
    Retryable("database_unavailable").

    `before_purge` and `before_collect` are statements of the service that run at the start of a round.
    """

    pool: Pool
    store: ObjectStore
    tables: Sequence[Table[Any]]
    orphans: Orphans
    before_purge: Statement | None = None
    before_collect: Statement | None = None

    async def purge(self, now: datetime) -> Freed:
        """Marks expired records, then deletes those whose grace period is over."""
        await self._run(self.before_purge, now)
        freed = Freed()
        for table in self.tables:
            for _ in range(BATCHES_MAX):
                if not (marked := await self._mark(table, now)):
                    break
                freed += Freed(marked=len(marked))
            for _ in range(BATCHES_MAX):
                if not (deleted := await self._delete(table, now)):
                    break
                size = sum(record.size for record in deleted)
                _count(table.name, len(deleted), size)
                freed += Freed(deleted=len(deleted), size=size)
        return freed

    async def collect(self, now: datetime) -> Freed:
        """Deletes orphaned objects. Lists every folder."""
        await self._run(self.before_collect, now)
        orphans = [stored async for stored, found in self._find_orphans(now) if found.action is Action.DELETE]
        for start in range(0, len(orphans), PAGE):
            await self.store.delete(*(stored.key for stored in orphans[start : start + PAGE]))
        for stored in orphans:
            log.info("retention.orphan_deleted", key=stored.key, bytes=stored.size)
        size = sum(stored.size for stored in orphans)
        _count("orphan", len(orphans), size)
        return Freed(deleted=len(orphans), size=size)

    async def explain(self, now: datetime, project_id: str | None = None) -> AsyncIterator[Explanation]:
        """What a round would do with every record and orphaned object; with `project_id` only with its records.
        Changes nothing."""
        for table in self.tables:
            async with retryable_transaction(self.pool) as connection:
                async for record in table.repository(connection).load_all(project_id):
                    yield Explanation(record.id, record.what, record.project_id, record.size, table.rule(record, now))
        if project_id is not None:
            return
        async for stored, found in self._find_orphans(now):
            yield Explanation(stored.key, "object", None, stored.size, found)

    async def _mark(self, table: Table[R], now: datetime) -> list[R]:
        async with retryable_transaction(self.pool) as connection:
            repository = table.repository(connection)
            if not (locked := await repository.lock_expired(now, BATCH)):
                return []
            expired = [r for r in await repository.load(locked) if table.rule(r, now).action is Action.MARK]
            await repository.mark([r.id for r in expired], now)
        for record in expired:
            log.info("retention.marked", **_fields(table, record), reason=table.rule(record, now).reason)
        return expired

    async def _delete(self, table: Table[R], now: datetime) -> list[R]:
        async with retryable_transaction(self.pool) as connection:
            repository = table.repository(connection)
            if not (locked := await repository.lock_marked(now - GRACE, BATCH)):
                return []
            due = [r for r in await repository.load(locked) if table.rule(r, now).action is Action.DELETE]
            keys = set(await repository.release([r.id for r in due]))
        # Released records find no new use, so that no lock is held while the store works.
        if table.folder:
            for record in due:
                keys |= {stored.key async for stored in self.store.list(table.folder(record.id))}
        await self.store.delete(*sorted(keys))
        async with retryable_transaction(self.pool) as connection:
            await table.repository(connection).delete([r.id for r in due])
        for record in due:
            log.info("retention.deleted", **_fields(table, record))
        return due

    async def _find_orphans(self, now: datetime) -> AsyncIterator[tuple[StoredObject, Disposition]]:
        for folder, kept in self.orphans.folders.items():
            async for page in _pages(self.store.list(folder)):
                async with retryable_transaction(self.pool) as connection:
                    referenced = await self.orphans.referenced(connection, [stored.key for stored in page])
                for stored in page:
                    if stored.key not in referenced:
                        yield stored, delete_after(kept, stored.modified, "no row refers to it", now)

    async def _run(self, statement: Statement | None, now: datetime) -> None:
        if statement:
            async with retryable_transaction(self.pool) as connection:
                await statement(connection, now)


def _count(what: str, number: int, size: int) -> None:
    RETENTION_FREED.labels(what).inc(number)
    RETENTION_FREED_BYTES.labels(what).inc(size)


def _fields(table: Table[R], record: R) -> dict[str, Any]:
    return {"table": table.name, "id": record.id, "project_id": record.project_id, "bytes": record.size}


async def _pages(objects: AsyncIterator[StoredObject]) -> AsyncIterator[list[StoredObject]]:
    page: list[StoredObject] = []
    async for stored in objects:
        page.append(stored)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
