"""The two sides of a film once their pieces are rendered, as they are joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.compiler.planning.captions import Caption
from services.compiler.planning.film_plan import FilmPlan
from services.compiler.planning.pieces import Piece
from services.compiler.planning.sound_plan import SoundPlan


@dataclass(frozen=True)
class FilmPictures:
    """The clip of each shot and the piece of each transition window, in film order.

    `captioned` replaces parts of the plan, by their number, where captions are drawn on the pictures.
    """

    plan: FilmPlan
    clips: tuple[Piece, ...]
    windows: tuple[Piece, ...]
    captioned: Mapping[int, Piece] = field(default_factory=dict)


@dataclass(frozen=True)
class FilmSound:
    """The chunks of the sound track in order, and the track's measurements.

    `loudness` in LUFS and `true_peak_dbtp` in dBTP; `unmeasured` says, by field of the report, why one is missing.
    `burned`: the captions again in lines that fit the picture, where they are drawn on it.
    `language` (BCP 47) is the language that most of the narration is in, None when it cannot be determined.
    """

    plan: SoundPlan
    chunks: tuple[Piece, ...]
    loudness: float | None
    true_peak_dbtp: float | None
    unmeasured: Mapping[str, str]
    warnings: tuple[str, ...]
    captions: tuple[Caption, ...] = ()
    burned: tuple[Caption, ...] = ()
    language: str | None = None


@dataclass(frozen=True)
class JoinedFilm:
    """A film's file, and its sha256 in hex, taken while it was written."""

    path: Path
    sha256: str
