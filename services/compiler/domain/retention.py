"""Which pieces and films are kept, and for how long: the rules that both the deletion and its explanation apply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.retention import (
    FILMS_KEPT,
    GRACE,
    PIECES_KEPT,
    Action,
    Disposition,
    delete_after,
    mark_after,
)


@dataclass(frozen=True)
class PieceRecord:
    """A finished piece. `size` in bytes; `deleting`: its bytes may be deleted already."""

    id: str
    kind: str
    size: int
    used_at: datetime
    marked_at: datetime | None = None
    deleting: bool = False

    @property
    def project_id(self) -> None:
        """A piece belongs to no project: identical parts of several projects' films are one piece."""
        return None

    @property
    def what(self) -> str:
        return f"{self.kind} piece"


@dataclass(frozen=True)
class FilmRecord:
    """A completed film. `size` in bytes with its poster and files; `newer` counts its episode's later films."""

    id: str
    project_id: str
    episode_id: str
    size: int
    completed_at: datetime
    newer: int
    episode_deleted: bool = False
    marked_at: datetime | None = None

    @property
    def what(self) -> str:
        return f"film of episode {self.episode_id}"


def piece_disposition(piece: PieceRecord, now: datetime) -> Disposition:
    """A film in progress needs no check of its own: it uses, and so renews, every piece that it is joined from."""
    if piece.deleting:
        return Disposition(Action.DELETE, "its bytes are being deleted", piece.marked_at or piece.used_at)
    if piece.marked_at is not None:
        return delete_after(GRACE, piece.marked_at, f"unused for {PIECES_KEPT.days} days", now)
    return mark_after(PIECES_KEPT, piece.used_at, "used by a film or rendered ahead", now)


def film_disposition(film: FilmRecord, now: datetime) -> Disposition:
    surplus = film.newer >= FILMS_KEPT
    if film.episode_deleted:
        reason = "its episode was deleted"
    elif surplus:
        reason = f"{FILMS_KEPT} newer films of its episode were completed"
    else:
        reason = f"one of the last {FILMS_KEPT} films of its episode"
    if film.marked_at is not None:
        return delete_after(GRACE, film.marked_at, reason, now)
    return Disposition(Action.MARK if surplus or film.episode_deleted else Action.KEEP, reason, film.completed_at)
