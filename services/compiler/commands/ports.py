"""What the use cases need from outside, as small as they need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from services.compiler.planning.captions import Caption
from services.compiler.planning.chunks import Level
from services.compiler.planning.film_order import Order
from services.compiler.planning.film_plan import FilmPlan
from services.compiler.planning.handover import Handover
from services.compiler.planning.pieces import Piece, PieceKind, Recipe
from services.compiler.planning.sound_plan import SoundPlan
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmReport, FilmState
from shared.contracts.events.gateway import CompileRequested, EpisodeChanged, PinnedMedia
from shared.contracts.values import AudioConfig, Media, ObjectRef, Output, Problem
from shared.messaging.events import Cause, Message

Progress = Callable[[float], None]
"""A share from 0 to 1."""


@dataclass(frozen=True)
class Compilation:
    """A row, as its last change left it."""

    compilation_id: str
    episode_id: str
    rev: int
    state: FilmState
    progress: float
    cause: Cause


@dataclass(frozen=True)
class Result:
    """What a completed compilation has."""

    object: ObjectRef
    poster: ObjectRef
    media: Media
    report: FilmReport
    warnings: tuple[str, ...]
    files: Mapping[str, ObjectRef]


class Desk(Protocol):
    """The service's rows, bound to one transaction: what topics tell, and what is published of it."""

    async def is_deleted(self, asset_id: str) -> bool: ...

    async def bury(self, asset_ids: Sequence[str]) -> None:
        """These assets are deleted: forgotten now, and never remembered again."""
        ...

    async def remember(self, episode_id: str, commit_seq: int, media: PinnedMedia) -> bool:
        """The asset's committed version; False if a later commit is known."""
        ...

    async def apply_timeline(self, timeline: EpisodeChanged) -> bool:
        """False if a later version is known."""
        ...

    async def prepare(self, episode_id: str) -> None:
        """What can be rendered ahead has changed. Nothing happens for an episode without a timeline."""
        ...

    async def admit(self, request: CompileRequested, cause: Cause, estimate_s: float, now: datetime) -> bool:
        """A pending compilation and its job; False if it is there already."""
        ...

    async def cancel(self, compilation_id: str) -> Compilation | None:
        """Pending or processing -> cancelled, its job removed; None if it was not open."""
        ...

    async def fail(self, compilation_id: str, problem: Problem) -> Compilation | None: ...

    async def exists(self, compilation_id: str) -> bool: ...

    async def open_of(self, episode_id: str) -> list[str]: ...

    async def expired(self, now: datetime) -> list[str]: ...

    async def queue_length(self) -> int: ...

    async def conformed(self, sources: Sequence[str], output: Output) -> set[str]:
        """Which of these sources (sha256) have a clip for this output."""
        ...

    async def pace(self) -> dict[str, float]: ...

    async def park(self, compilation_id: str, message: Message[Any]) -> None: ...

    async def unpark(self, compilation_id: str) -> list[Message[Any]]: ...

    async def publish(self, event: Event, cause: Cause) -> None: ...


class FilmJob(Protocol):
    """A compilation in hand. Every call proves that this worker still owns it, else raises Fenced."""

    @property
    def request(self) -> CompileRequested: ...

    async def report(self, progress: float, message_code: str, estimate_s: float | None = None) -> None: ...

    async def complete(self, result: Result, now: datetime) -> None: ...

    async def fail(self, problem: Problem) -> None: ...

    async def again(self, delay_s: float) -> None:
        """Give the job back, to be taken up again a little later."""
        ...


@dataclass(frozen=True)
class Known:
    """What rendering ahead goes by. `settled`: nothing has changed since the job was last put off."""

    timeline: EpisodeChanged
    committed: Mapping[str, PinnedMedia]
    last: CompileRequested | None
    settled: bool


class SignJob(Protocol):
    """A finished film that has no Content Credentials yet. Calls that write raise Fenced like those of FilmJob."""

    async def film(self) -> ObjectRef | None:
        """None when it is gone, or signed already."""
        ...

    @property
    def request(self) -> CompileRequested: ...

    async def signed(self, film: ObjectRef) -> None: ...

    async def unsigned(self, warning: str) -> None:
        """It stays as it is, for good, and says so: nobody waits for a signature any more."""
        ...

    async def again(self, delay_s: float) -> None: ...

    async def drop(self) -> None: ...


class FilmSigner(Protocol):
    async def signed(self, request: CompileRequested, film: ObjectRef) -> ObjectRef:
        """The same film with its manifest, as a new object. Raises Retryable `signing_failed`."""
        ...


class PrepareJob(Protocol):
    """Rendering ahead for one episode."""

    async def known(self) -> Known | None:
        """None when the episode is gone. What changes after this call makes `finish` start over."""
        ...

    async def superseded(self) -> bool:
        """Something has changed since `known`, or a film of the episode is being made, which needs the machine."""
        ...

    async def finish(self) -> None: ...

    async def put_off(self, delay_s: float) -> None:
        """Give the job back for a while."""
        ...


class PieceBook(Protocol):
    """Which pieces there are, and who is making one. Each call is a transaction of its own."""

    async def find(self, keys: Sequence[str]) -> dict[str, Piece]:
        """The finished ones; they count as used now."""
        ...

    async def take(self, key: str, kind: PieceKind) -> str | None:
        """A token, if the piece is ours to make now; None if it is finished or another is at it."""
        ...

    async def keep(self, key: str, token: str) -> bool:
        """Extend the lease; False if it was lost."""
        ...

    async def finish(self, piece: Piece, token: str) -> bool:
        """False if another has finished it, or is at it, since our lease ran out."""
        ...

    async def release(self, key: str, token: str) -> None: ...

    async def learn(self, kind: str, seconds_per_unit: float) -> None: ...


@dataclass(frozen=True)
class Pictures:
    """The picture side of a film: the clip of each shot and the piece of each window, in order.

    `captioned`: what is shown in place of a part, by its number, where captions are drawn on the pictures.
    """

    plan: FilmPlan
    clips: tuple[Piece, ...]
    windows: tuple[Piece, ...]
    captioned: Mapping[int, Piece] = field(default_factory=dict)


@dataclass(frozen=True)
class Track:
    """The sound side: chunks in order, and what was measured of them. `unmeasured` says why a value is missing.

    `language` (BCP 47) is what most is said in, None where nothing is said or nothing tells.
    """

    plan: SoundPlan
    chunks: tuple[Piece, ...]
    loudness: float | None
    true_peak_dbtp: float | None
    unmeasured: Mapping[str, str]
    warnings: tuple[str, ...]
    captions: tuple[Caption, ...] = ()
    language: str | None = None


@dataclass(frozen=True)
class JoinedFilm:
    """A film's file, and its checksum (hex), taken while it was written."""

    path: Path
    sha256: str


class Workshop(Protocol):
    """Makes pieces and films. Cancelling a call stops its ffmpeg and removes its files."""

    async def encoder(self, output: Output) -> str:
        """Names the parameter sets that pieces of this output have."""
        ...

    async def lettering(self) -> str:
        """Names the fonts that captions are drawn with."""
        ...

    async def make(self, recipe: Recipe, *, polite: bool, on_progress: Progress) -> Piece:
        """Render and store. `polite` work gives way to everything else on the machine."""
        ...

    async def find_level(
        self, plan: SoundPlan, stems: Mapping[str, Piece], config: AudioConfig
    ) -> tuple[Level, tuple[str, ...]]: ...

    def measure(self, chunks: Iterable[Piece], samples: int) -> tuple[float | None, float | None]:
        """Integrated loudness (LUFS) and true peak (dBTP) of the track; None when nothing is heard."""
        ...

    def film(
        self, order: Order, pictures: Pictures, track: Track, on_progress: Progress
    ) -> AbstractAsyncContextManager[JoinedFilm]:
        """The joined film as a file, gone after the block unless it was moved away."""
        ...

    async def store(self, compilation_id: str, film: JoinedFilm, poster: Piece) -> tuple[ObjectRef, ObjectRef]: ...

    async def store_files(self, compilation_id: str, files: Mapping[str, str]) -> dict[str, ObjectRef]:
        """Texts that go with a film, by name ("captions.vtt")."""
        ...

    def timeline(self, request: CompileRequested, handover: Handover) -> str:
        """The hand-over as a document that editing programs import."""
        ...
