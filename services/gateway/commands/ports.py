"""What the use cases need of storage, messaging, time and ids; bound to one transaction.

`lock` methods take the row until the transaction ends. Batch before asset, asset before run and review: a deadlock
is broken by PostgreSQL and the transaction is repeated, but this order keeps them rare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

from services.gateway.commands.rows import (
    Batch,
    Film,
    FilmParts,
    Import,
    NewBatch,
    NewReview,
    NewRun,
    Review,
    Run,
    RunBase,
    Upload,
    VersionRow,
)
from services.gateway.domain.batches import Item, SegmentSlots, Slot
from services.gateway.domain.episodes import Asset, Draft, Episode, NewAsset, NewSegment, Project, Segment
from services.gateway.domain.quotas import Quotas
from services.gateway.domain.roles import Role
from services.gateway.domain.runs import Track, VersionStatus
from shared.contracts.base import Event
from shared.contracts.catalogue import Catalogue
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.gateway import CompileRequested, TimelineSegment
from shared.contracts.values import Actor, AssetKind, Version

Resource = Literal[
    "project", "episode", "segment", "asset", "run", "version", "batch", "compilation", "import", "upload"
]


ADVANCE: Final = "advance-batch"
"""The kind of job that `wake_batch` enqueues: its payload names the batch."""


@dataclass(frozen=True)
class Caller:
    """Who asks, in which project, and what they may do there. `owner_id` is the project's owner."""

    user_id: str
    project_id: str
    owner_id: str
    role: Role

    @property
    def actor(self) -> Actor:
        return Actor(kind="user", user_id=self.user_id)


@dataclass(frozen=True)
class Entry:
    """One event for the SSE log; `data` as the API names it."""

    name: str
    project_id: str
    episode_id: str | None
    data: Mapping[str, Any]


class Accounts(Protocol):
    async def see(self, user_id: str, name: str, at: datetime) -> None: ...

    async def knows(self, user_id: str) -> bool: ...

    async def access(self, user_id: str, resource: Resource, resource_id: str) -> Caller | None:
        """None: there is no such thing, or it is deleted, or the user is no member of its project."""
        ...

    async def generations_beyond(self, user_id: str, since: datetime, count: int) -> datetime | None:
        """When the newest of those generations was asked for without which the rest since then are at most `count`;
        None: they are at most `count` anyway."""
        ...

    async def generations(self, user_id: str, since: datetime) -> int: ...

    async def spent(self, user_id: str, since: datetime, currency: str) -> Decimal: ...

    async def lock_members(self, project_id: str) -> dict[str, Role]: ...

    async def put_member(self, project_id: str, user_id: str, role: Role, at: datetime) -> None: ...

    async def remove_member(self, project_id: str, user_id: str) -> None: ...


class Projects(Protocol):
    async def insert(self, project: Project, at: datetime) -> None: ...

    async def first_of(self, owner_id: str) -> str | None: ...

    async def get(self, project_id: str) -> Project | None: ...

    async def lock(self, project_id: str) -> Project | None: ...

    async def save(self, project_id: str, at: datetime, **changes: Any) -> None: ...

    async def episode_ids(self, project_id: str) -> list[str]: ...

    async def spent(self, project_id: str, since: datetime | None, currency: str) -> Decimal: ...


class Episodes(Protocol):
    async def insert(self, episode: Episode, at: datetime) -> None: ...

    async def lock(self, episode_id: str) -> Episode | None: ...

    async def save(self, episode_id: str, at: datetime, **changes: Any) -> None: ...

    async def revise(
        self, episode_id: str, change: str, actor: Actor, details: Mapping[str, Any], at: datetime
    ) -> None:
        """Adds to the episode's revisions."""
        ...

    async def delete(self, episode_id: str, at: datetime) -> list[str]:
        """Marks the episode and all that is in it deleted; returns the assets."""
        ...

    async def next_timeline(self, episode_id: str) -> int:
        """Raises `timeline_version` and returns it."""
        ...

    async def timeline(self, episode_id: str) -> tuple[list[TimelineSegment], str | None]:
        """Segments in film order, and the music's asset."""
        ...

    async def insert_segments(self, episode: Episode, segments: Sequence[NewSegment], at: datetime) -> None:
        """With their assets."""
        ...

    async def segment(self, segment_id: str) -> Segment | None: ...

    async def save_segment(self, segment_id: str, at: datetime, **changes: Any) -> None: ...

    async def delete_segment(self, segment_id: str, at: datetime) -> list[str]:
        """Marks it and its assets deleted; returns the assets."""
        ...

    async def segment_ids(self, episode_id: str) -> list[str]:
        """In film order."""
        ...

    async def number_segments(self, episode_id: str, segment_ids: Sequence[str], at: datetime) -> None:
        """Numbers them from 1 in this order, and names their assets accordingly."""
        ...


class Assets(Protocol):
    async def insert(
        self, episode: Episode, segment_id: str | None, assets: Sequence[NewAsset], at: datetime
    ) -> None: ...

    async def lock(self, asset_id: str) -> Asset | None:
        """None: absent or deleted."""
        ...

    async def of_segment(self, segment_id: str, kind: AssetKind) -> str | None: ...

    async def base_of(self, asset_id: str) -> RunBase:
        """What a new run builds on. The asset exists."""
        ...

    async def take(self, asset_id: str, run_id: str | None, at: datetime) -> int:
        """Counts one more run and returns its number; with `run_id` it gets the lock, which the caller saw free."""
        ...

    async def release(self, asset_id: str, run_id: str, at: datetime) -> None:
        """If that run holds the lock."""
        ...

    async def hand_over(self, asset_id: str, run_id: str, next_run_id: str, at: datetime) -> None: ...

    async def save_draft(self, asset_id: str, draft: Draft | None, edited_at: datetime) -> None:
        """By a person: its revision rises."""
        ...

    async def commit(
        self, asset_id: str, run_id: str, version_id: str, commit_seq: int, draft: Draft | None, at: datetime
    ) -> bool:
        """The version is the committed one, with `draft` as the new draft if there is any; the run lets go of the lock.
        False if this commit or a later one was applied already: only the lock is free then."""
        ...

    async def mark_stale(self, segment_id: str, at: datetime) -> list[str]:
        """Recomputes whether the segment's video is stale; returns it if that changed."""
        ...


class Runs(Protocol):
    async def insert(self, run: NewRun) -> None: ...

    async def get(self, run_id: str) -> Run | None: ...

    async def lock(self, run_id: str) -> Run | None:
        """Locks its asset as well."""
        ...

    async def newest_shown(self, asset_id: str) -> Run | None:
        """The newest that was sent and is neither expired nor cancelled."""
        ...

    async def save(self, run: Run, track: Track, at: datetime, **changes: Any) -> datetime:
        """Writes the track and what follows from it; returns the new `updated_at`, which is above the old one."""
        ...

    async def note_step(
        self, run: Run, state: str, step: str, code: str, args: Mapping[str, Any], attempt: int, at: datetime
    ) -> None: ...


class Versions(Protocol):
    async def get(self, version_id: str) -> VersionRow | None: ...

    async def facts(self, version_ids: Sequence[str]) -> list[dict[str, Any]]:
        """{version_id, version_number, directions, model, media}, in this order."""
        ...

    async def store(self, run: Run, versions: Sequence[tuple[Version, VersionStatus]], at: datetime) -> None:
        """Facts are written once; the status is always the given one."""
        ...

    async def close(self, run: Run, track: Track, chosen: str | None, at: datetime) -> None:
        """Gives the run's candidates the status that follows from the track."""
        ...

    async def committed(self, version_id: str, at: datetime) -> None: ...

    async def retire(self, version_ids: Sequence[str], at: datetime) -> None: ...


class Reviews(Protocol):
    async def insert(self, review: NewReview) -> bool:
        """False if a decision on that run is pending."""
        ...

    async def get(self, review_id: str) -> Review | None: ...

    async def pending(self, run_id: str) -> Review | None: ...

    async def decisive(self, run_id: str) -> Review | None:
        """The decision that counted, else the pending one."""
        ...

    async def settle(self, review_id: str, verdict: str, reason: str | None, at: datetime) -> None:
        """And tells whoever waits for it."""
        ...


class Batches(Protocol):
    async def insert(self, batch: NewBatch, items: Sequence[tuple[str, str | None, str]]) -> None:
        """`items`: (asset_id, segment_id, kind)."""
        ...

    async def live_of(self, episode_id: str) -> str | None: ...

    async def lock(self, batch_id: str) -> Batch | None: ...

    async def assets_of_episode(self, episode_id: str) -> list[tuple[str, str | None, int | None, str]]:
        """(asset_id, segment_id, number, kind) of what a batch can make, in film order."""
        ...

    async def rows(self, batch: Batch) -> tuple[list[SegmentSlots], Slot | None]:
        """What the planner needs, from the rows as they are now."""
        ...

    async def skip(self, batch_id: str, segment_ids: Sequence[str | None], at: datetime) -> None:
        """None: the music."""
        ...

    async def refuse(self, batch_id: str, asset_id: str, problem: Mapping[str, Any], at: datetime) -> None: ...

    async def save_items(self, batch_id: str, items: Mapping[str, Item], at: datetime) -> None: ...

    async def save(self, batch: Batch, at: datetime, **changes: Any) -> datetime:
        """Returns the new `updated_at`, which is above the old one."""
        ...

    async def active_runs(self, batch_id: str) -> list[str]: ...


class Films(Protocol):
    async def snapshot(self, episode_id: str) -> FilmParts | None:
        """Everything that a film pins, in one statement."""
        ...

    async def insert(
        self,
        request: CompileRequested,
        project_id: str,
        left_out: Sequence[Mapping[str, Any]],
        estimated_duration_s: float,
        at: datetime,
    ) -> None: ...

    async def lock(self, compilation_id: str) -> Film | None: ...

    async def apply(self, film: Film, event: FilmUpdated, at: datetime) -> datetime:
        """Returns the new `updated_at`, which is above the old one."""
        ...

    async def save(self, compilation_id: str, at: datetime, **changes: Any) -> None: ...


class Imports(Protocol):
    async def insert(self, row: Import, at: datetime) -> None: ...

    async def lock(self, import_id: str) -> Import | None: ...

    async def save(self, import_id: str, at: datetime, **changes: Any) -> None: ...

    async def runs_left(self, import_id: str) -> tuple[int, int]:
        """(how many of its runs have not ended, how many there are)."""
        ...

    async def active_runs(self, import_id: str) -> list[str]: ...


class Uploads(Protocol):
    async def insert(self, upload: Upload, at: datetime) -> None: ...

    async def of_project(self, project_id: str, upload_ids: Sequence[str]) -> dict[str, Upload]: ...


class Store(Protocol):
    """Everything at once; each use case takes what it needs from it."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def projects(self) -> Projects: ...
    @property
    def episodes(self) -> Episodes: ...
    @property
    def assets(self) -> Assets: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def versions(self) -> Versions: ...
    @property
    def reviews(self) -> Reviews: ...
    @property
    def batches(self) -> Batches: ...
    @property
    def films(self) -> Films: ...
    @property
    def imports(self) -> Imports: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def catalogue(self) -> Catalogue: ...
    @property
    def default_provider(self) -> str: ...
    @property
    def step_by_step_share(self) -> float:
        """Of projects that did not choose a workflow."""
        ...

    @property
    def quotas(self) -> Quotas: ...

    def now(self) -> datetime: ...

    def new_id(self) -> str: ...

    async def publish(self, project_id: str, owner_id: str, *events: Event, correlation_id: str | None = None) -> None:
        """Into the outbox. Without a correlation id they follow from the command or event in hand."""
        ...

    async def log(self, *entries: Entry) -> None:
        """Appends to the SSE log; numbered at the end of the transaction."""
        ...

    async def wake_batch(self, batch_id: str) -> None:
        """Has `advance_batch` called soon, in a transaction of its own."""
        ...
