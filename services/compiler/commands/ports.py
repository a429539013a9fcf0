"""What commands need from outside and tests replace with fakes: the piece store, the renderer, jobs and the signer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from services.compiler.domain.compilations import EpisodeState
from services.compiler.planning.chunks import Level
from services.compiler.planning.film_order import FilmOrder
from services.compiler.planning.film_parts import FilmPictures, FilmSound, JoinedFilm
from services.compiler.planning.handover import Handover
from services.compiler.planning.pieces import Piece, PieceKind, Recipe
from services.compiler.planning.sound_plan import SoundPlan
from shared.contracts.events.gateway import CompileRequested
from shared.contracts.values import AudioConfig, ObjectRef, Output

Progress = Callable[[float], None]
"""Receives a share from 0 to 1."""


class PieceStore(Protocol):
    """Which pieces exist, and which of them are being made. Each call is a transaction of its own."""

    async def find(self, keys: Sequence[str]) -> dict[str, Piece]:
        """The finished pieces among `keys`, by key; finding a piece counts as using it."""
        ...

    async def claim(self, key: str, kind: PieceKind) -> str | None:
        """A token if the caller may make the piece now; None if it is finished or another worker is making it."""
        ...

    async def renew(self, key: str, token: str) -> bool:
        """Extends the claim's lease; False if the lease was lost."""
        ...

    async def finish(self, piece: Piece, token: str) -> bool:
        """False if the lease ran out and another worker has finished or claimed the piece since."""
        ...

    async def release(self, key: str, token: str) -> None: ...

    async def learn(self, kind: str, seconds_per_unit: float) -> None:
        """Stores how fast work of this kind is here."""
        ...


class Renderer(Protocol):
    """Makes pieces and films. Cancelling a call stops its ffmpeg and removes its files."""

    async def encoder(self, output: Output) -> str:
        """Identifies the parameter sets that all pieces of this output share."""
        ...

    async def fonts(self) -> str:
        """Identifies the fonts that captions are drawn with."""
        ...

    async def make(self, recipe: Recipe, *, low_priority: bool, on_progress: Progress) -> Piece:
        """Renders and stores a piece. `low_priority` work gives way to everything else on the machine."""
        ...

    async def find_level(
        self, plan: SoundPlan, stems: Mapping[str, Piece], config: AudioConfig
    ) -> tuple[Level, tuple[str, ...]]:
        """The gain that brings the mix to the target loudness, and warnings if it cannot."""
        ...

    def measure(self, chunks: Iterable[Piece], samples: int) -> tuple[float | None, float | None]:
        """Integrated loudness (LUFS) and true peak (dBTP) of a track; None for a silent one."""
        ...

    def film(
        self, order: FilmOrder, pictures: FilmPictures, sound: FilmSound, on_progress: Progress
    ) -> AbstractAsyncContextManager[JoinedFilm]:
        """The joined film as a file, which is removed after the block unless it was moved away."""
        ...

    async def store(self, compilation_id: str, film: JoinedFilm, poster: Piece) -> tuple[ObjectRef, ObjectRef]:
        """Stores film and poster as objects."""
        ...

    async def store_files(self, compilation_id: str, files: Mapping[str, str]) -> dict[str, ObjectRef]:
        """Stores the texts that accompany a film, by name ("captions.vtt")."""
        ...

    def timeline(self, request: CompileRequested, handover: Handover) -> str:
        """The hand-over as a document that editing programs import."""
        ...


class PrepareJob(Protocol):
    """The job of rendering one episode ahead."""

    async def episode(self) -> EpisodeState | None:
        """None when the episode was deleted. A change after this call makes `finish` start the job again."""
        ...

    async def superseded(self) -> bool:
        """True if the episode has changed since `episode`, or one of its films is being made and needs the machine."""
        ...

    async def finish(self) -> None: ...

    async def postpone(self, delay_s: float) -> None:
        """Returns the job to the queue for this long."""
        ...


class SignJob(Protocol):
    """The job of signing a finished film. Calls that write raise Fenced if another worker owns the job now."""

    async def film(self) -> ObjectRef | None:
        """None when the film was deleted or is signed already."""
        ...

    @property
    def request(self) -> CompileRequested: ...

    async def signed(self, film: ObjectRef) -> None: ...

    async def unsigned(self, warning: str) -> None:
        """Publishes that the film stays unsigned for good, with the reason."""
        ...

    async def retry(self, delay_s: float) -> None: ...

    async def drop(self) -> None: ...


class FilmSigner(Protocol):
    async def signed(self, request: CompileRequested, film: ObjectRef) -> ObjectRef:
        """The same film with its manifest, as a new object. Raises Retryable `signing_failed`."""
        ...
