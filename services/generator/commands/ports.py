"""What the use cases need of storage, media tools and providers. A store is bound to one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from services.generator.domain.frames import Frame
from services.generator.domain.pricing import Quote, quote
from services.generator.domain.retention import RetirementReason
from services.generator.domain.runs import Candidate, Lane, Run
from services.generator.domain.states import RunState, VersionStatus
from services.generator.domain.tolerances import Asked
from shared.contracts.base import Event
from shared.contracts.catalogue import Model
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import AssetKind, Cost, Media, Problem, Quality, Settings, Version
from shared.messaging.events import Cause, Message


@dataclass(frozen=True)
class Attempt:
    """A job in hand: `token` fences, `number` counts from 1 and survives crashes."""

    run_id: str
    token: str
    number: int
    handle: Any = field(repr=False, default=None)  # the job queue's own


@dataclass(frozen=True)
class Asset:
    """An asset when a run of it is admitted, locked until the transaction ends."""

    commit_seq: int
    committed: Version | None
    deleted: bool = False
    refused: bool = False  # the run's request was put aside before: its failure is out
    parked: bool = False  # events about the run came before it


@dataclass(frozen=True)
class NewRun:
    request: RegenerateRequested
    cause: Cause
    state: RunState
    step: str
    settings: Settings
    provider: str
    model: str | None
    lane: Lane
    problem: Problem | None = None
    candidate: Version | None = None  # source existing: the version that is offered again
    base_commit_seq: int | None = None


@dataclass(frozen=True)
class HeldVersion:
    """A version row, locked: it cannot be purged before the transaction ends."""

    version: Version
    kind: AssetKind
    asset_id: str
    status: VersionStatus
    purged: bool


@dataclass(frozen=True)
class Pending:
    """A run that waits for its commit, its asset locked."""

    run: Run
    base_commit_seq: int | None
    commit_seq: int
    committed_version_id: str | None
    updated_at: datetime | None
    candidate: Version | None  # the version asked about, if it is one of the run's candidates
    accepted: tuple[str, ...] = ()  # the asset's accepted versions that are kept, newest first


class Store(Protocol):
    """What every store can do."""

    async def publish(self, cause: Cause, *events: Event) -> None: ...


class Runs(Store, Protocol):
    """How runs begin and end."""

    async def admit(self, request: RegenerateRequested, cause: Cause) -> Asset:
        """Locks the asset, which is made known if it is new."""
        ...

    async def hold_version(self, version_id: str) -> HeldVersion | None: ...

    async def add(self, run: NewRun, now: datetime) -> Run | None:
        """None if there is a run of that id already."""
        ...

    async def enqueue(self, run: Run, lane: Lane) -> None: ...

    async def end(
        self,
        run_id: str,
        state: RunState,
        now: datetime,
        *,
        only_from: frozenset[RunState] | None = None,
        problem: Problem | None = None,
        attempt: Attempt | None = None,
    ) -> Run | None:
        """Moves the run to a terminal state, its candidates with it; None if it was in no state to (or is fenced)."""
        ...

    async def stop_work(self, run_id: str) -> None:
        """Removes the run's job and stops whoever has it in hand, the provider included."""
        ...

    async def is_known(self, run_id: str) -> bool: ...

    async def bury(self, asset_ids: Sequence[str], episode_id: str | None, now: datetime) -> list[str]:
        """Marks assets as deleted, even unseen ones, and their versions as not to be used again; returns the ids of
        their active runs. With an episode: all of its assets that are known."""
        ...

    async def refuse(self, run_id: str, now: datetime) -> None:
        """Remembers a run whose request was put aside, so that it never starts."""
        ...

    async def park(self, run_id: str, message: Message[Any]) -> None: ...

    async def unpark(self, run_id: str) -> list[Message[Any]]: ...


class Attempts(Store, Protocol):
    """What the worker of a run writes. Every write is fenced by the attempt's token."""

    async def begin(self, attempt: Attempt, now: datetime) -> Run | None:
        """The run, now generating by this attempt; None if it is past that."""
        ...

    async def made(self, run_id: str) -> list[Candidate]:
        """Candidates that an earlier attempt stored."""
        ...

    async def hold_version(self, version_id: str) -> HeldVersion | None: ...

    async def committed(self, asset_id: str) -> Version | None: ...

    async def advance(self, attempt: Attempt, step: str, percent: float, now: datetime) -> Run | None:
        """None if the run is no longer this attempt's."""
        ...

    async def keep(self, attempt: Attempt, candidates: Sequence[Candidate], now: datetime) -> list[Candidate] | None:
        """Stores candidates before the last one is made, numbered; None if fenced."""
        ...

    async def settle(self, attempt: Attempt, now: datetime) -> Run | None:
        """The run, now waiting for its decision on what `keep` stored; None if fenced."""
        ...

    async def end(
        self,
        run_id: str,
        state: RunState,
        now: datetime,
        *,
        only_from: frozenset[RunState] | None = None,
        problem: Problem | None = None,
        attempt: Attempt | None = None,
    ) -> Run | None: ...

    async def finish(self, attempt: Attempt) -> None:
        """Ends the job. Raises Fenced."""
        ...

    async def postpone(
        self, attempt: Attempt, until: datetime, problem: Problem, *, counted: bool = True
    ) -> Run | None:
        """Gives the job back until then; None if fenced. Not counted: as if it had not been tried."""
        ...


class Commits(Store, Protocol):
    """How the committed pointer moves."""

    async def lock(self, run_id: str, version_id: str) -> Pending | None: ...

    async def commit(self, pending: Pending, updated_at: datetime, retired: Mapping[str, RetirementReason]) -> Run:
        """Pointer, run and versions, in the caller's transaction. `retired`: what is let go, and why."""
        ...

    async def end(
        self,
        run_id: str,
        state: RunState,
        now: datetime,
        *,
        only_from: frozenset[RunState] | None = None,
        problem: Problem | None = None,
        attempt: Attempt | None = None,
    ) -> Run | None: ...

    async def park(self, run_id: str, message: Message[Any]) -> None: ...


LaneOf = Callable[[AssetKind], Lane]
"""In which lane a provider's work on a kind waits."""

AttemptUnit = Callable[[], AbstractAsyncContextManager[Attempts]]
"""Opens a transaction of a worker."""


@dataclass(frozen=True)
class Reference:
    """A character's picture, as a file that other runs use, too. `sha256` is of its content."""

    sha256: str
    path: Path


@dataclass(frozen=True)
class Order:
    """What a provider is asked for: one candidate of a run."""

    run_id: str
    position: int
    attempt: int
    kind: AssetKind
    model: Model
    directions: str  # as the user wrote them
    prompt: str  # with style and characters
    settings: Mapping[str, Any]
    seed: int | None
    label: str
    frame: Frame | None = None
    fps: int | None = None
    duration_s: float | None = None
    starting_image: Path | None = None
    references: tuple[Reference, ...] = ()

    @property
    def quote(self) -> Quote | None:
        return quote(self.model, self.settings, duration_s=self.duration_s, directions=self.directions)

    @property
    def asked(self) -> Asked:
        return Asked(self.frame, self.duration_s, bool(self.model.makes_sound and self.settings.get("generate_audio")))


@dataclass(frozen=True)
class Made:
    """A provider's answer: a file in the work folder. `info` is what it says of it; `asked` if it asked otherwise."""

    path: Path
    content_type: str
    cost: Cost
    info: Mapping[str, Any] = field(default_factory=dict)
    asked: Asked | None = None


Share = Callable[[float], None]
"""Told how far a step is, from 0 to 1. Never blocks."""


class Maker(Protocol):
    """A provider as the generator uses it. Raises Retryable, Permanent or UserError; stops when cancelled."""

    async def make(self, order: Order, work: Path, share: Share) -> Made: ...


@dataclass(frozen=True)
class Inspected:
    """What a file really holds, with its poster, filmstrip and last frame as files beside it, and a proxy if browsers
    need one."""

    media: Media
    quality: Quality
    poster: Path | None = None
    filmstrip: Path | None = None
    proxy: Path | None = None
    last_frame: Path | None = None


@dataclass(frozen=True)
class Beside:
    """What a version is compared with: files in the work folder, of what is committed.

    `previous`: how the segment before ends, as the picture of its last frame, or its video if there is none.
    """

    starting_image: Path | None = None
    previous: Path | None = None


Expect = Callable[[Media], None]
"""Raises for what a file is not to be."""


class MediaProcessor(Protocol):
    """Looks at media and brings what users upload into shape."""

    async def inspect(
        self, path: Path, kind: AssetKind, work: Path, beside: Beside, expect: Expect | None = None
    ) -> Inspected:
        """Decodes all of it. Raises Permanent for what does not decode, is empty or is no media at all."""
        ...

    async def ingest(self, path: Path, kind: AssetKind, work: Path) -> Made:
        """A user's file, made safe: pictures re-encoded, videos and sound in a container that browsers play.

        Raises UserError, saying what is wrong with the file.
        """
        ...


@dataclass(frozen=True)
class Origin:
    """Where a version comes from, as its file tells whoever it is given to. Paths are in the work folder."""

    title: str
    model: str | None
    facts: Mapping[str, Any]
    brought: Path | None = None
    starting_image: Path | None = None
    starting_image_version_id: str | None = None


class VersionSigner(Protocol):
    async def sign(self, path: Path, content_type: str, origin: Origin) -> str | None:
        """In place; None once it is done. A file that cannot carry Content Credentials, or cannot be signed, stays as
        it is, and why is returned in words for people: a version is never lost for that."""
        ...


class Downloads(Protocol):
    async def fetch(self, url: str, path: Path, *, max_size: int) -> None:
        """Raises UserError for an address or an answer that we do not take, Retryable for a server that is down."""
        ...


class Scratch(Protocol):
    def folder(self, name: str) -> AbstractAsyncContextManager[Path]:
        """A folder that is gone when the block ends, or at the next start if we do not live to see its end."""
        ...


class Meter(Protocol):
    def run_ended(self, run: Run) -> None: ...

    def provider_took(self, provider: str, model: str | None, seconds: float, outcome: str) -> None: ...


@dataclass(frozen=True)
class Pressure:
    """`behind`: runs that wait, by the gate of the limit; `broken`: providers that refuse everybody, and why."""

    behind: Mapping[str, int] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


class Sweeps(Runs, Protocol):
    """What the sweep looks for. Rows that others hold are left for the next time."""

    async def jobless(self, before: datetime, limit: int) -> list[tuple[Run, Lane]]:
        """Runs at work, unchanged since `before`, that no job stands for."""
        ...

    async def overdue(self, queued_before: datetime, generating_before: datetime, limit: int) -> list[Run]: ...

    async def abandon_calls(self, limit: int) -> int:
        """Has the open calls of ended runs stopped; how many there were."""
        ...

    async def hold_back(self, now: datetime, limit: int) -> list[tuple[Run, str]]:
        """Queued runs that a provider's limit keeps waiting and that were not told yet, with the limit in words."""
        ...

    async def pressure(self) -> Pressure: ...

    async def census(self) -> tuple[dict[str, int], datetime | None]:
        """Active runs by state, and since when the oldest queued one waits."""
        ...
