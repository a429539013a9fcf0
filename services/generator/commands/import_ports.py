"""What the import of films needs of storage and media tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from services.generator.commands.ports import Attempt, Share, Store
from services.generator.domain.film_cuts import Change, Span, Track
from services.generator.domain.imports import FilmImport, ImportState
from shared.contracts.events.gateway import ImportRequested
from shared.contracts.events.generator import ImportClip
from shared.contracts.values import Problem
from shared.messaging.events import Cause, Message

SPLIT: Final = "split"
"""The kind of job that splits a film. The job's id is the import's."""


class Imports(Store, Protocol):
    """How imports begin and end."""

    async def add(self, request: ImportRequested, cause: Cause, now: datetime) -> FilmImport | None:
        """None if there is an import of that id already."""
        ...

    async def enqueue(self, film: FilmImport) -> None: ...

    async def end(
        self,
        import_id: str,
        state: ImportState,
        now: datetime,
        *,
        problem: Problem | None = None,
        attempt: Attempt | None = None,
    ) -> FilmImport | None:
        """From a working state; None if it was in none, or is another attempt's."""
        ...

    async def stop_work(self, import_id: str) -> None: ...

    async def of_episode(self, episode_id: str) -> list[str]:
        """Imports at work."""
        ...

    async def is_known(self, import_id: str) -> bool: ...

    async def park(self, subject_id: str, message: Message[Any]) -> None: ...

    async def unpark(self, subject_id: str) -> list[Message[Any]]: ...


@dataclass(frozen=True)
class Progressed:
    """What earlier attempts left: the changes if the film was scanned, and the clips that are stored."""

    changes: list[Change] | None
    clips: list[ImportClip]


class Splits(Store, Protocol):
    """What the worker of an import writes. Every write is fenced by the attempt's token."""

    async def begin(self, attempt: Attempt, now: datetime) -> FilmImport | None: ...

    async def progressed(self, import_id: str) -> Progressed: ...

    async def scanned(self, attempt: Attempt, changes: Sequence[Change]) -> None:
        """Raises Fenced."""
        ...

    async def advance(self, attempt: Attempt, step: str, now: datetime) -> FilmImport | None: ...

    async def keep(self, attempt: Attempt, clips: Sequence[ImportClip]) -> None:
        """Raises Fenced."""
        ...

    async def end(
        self,
        import_id: str,
        state: ImportState,
        now: datetime,
        *,
        problem: Problem | None = None,
        attempt: Attempt | None = None,
    ) -> FilmImport | None: ...

    async def finish(self, attempt: Attempt) -> None:
        """Ends the job. Raises Fenced."""
        ...

    async def postpone(self, attempt: Attempt, until: datetime) -> FilmImport | None: ...


SplitUnit = Callable[[], AbstractAsyncContextManager[Splits]]
"""Opens a transaction of a worker."""


@dataclass(frozen=True)
class Film:
    """A film on disk, ready to be cut: `path` holds what clips are made of."""

    path: Path
    track: Track


@dataclass(frozen=True)
class Clip:
    """Files in the work folder, of one span."""

    span: Span
    video: Path
    first_frame: Path


class Cutter(Protocol):
    """Cuts films. Raises UserError in words about the film, Retryable; stops when cancelled."""

    async def open(self, path: Path, work: Path, share: Share) -> Film:
        """Reads what the film holds, and puts its sound and container into shape where clips need that."""
        ...

    async def scan(self, film: Film, threshold: float, work: Path, share: Share) -> list[Change]:
        """Where the picture changes by more than `threshold` (0 to 1)."""
        ...

    async def make(self, film: Film, spans: Sequence[Span], work: Path) -> list[Clip]:
        """Clips of neighbouring spans, in their order."""
        ...
