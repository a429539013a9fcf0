"""What is kept and for how long: one function says it of any piece or film, for the sweep and for who asks why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from shared.contracts.retention import FILMS_KEPT, PIECES_KEPT, Action, Verdict, after, over


@dataclass(frozen=True)
class HeldPiece:
    """A finished piece as retention sees it. `deleting`: its bytes may be gone. Sizes in bytes."""

    id: str
    kind: str
    size: int
    used_at: datetime
    marked_at: datetime | None = None
    deleting: bool = False

    @property
    def project_id(self) -> None:
        """None: equal parts of several projects' films are one piece."""
        return None

    @property
    def what(self) -> str:
        return f"{self.kind} piece"


@dataclass(frozen=True)
class HeldFilm:
    """A completed film with its poster and files. `newer`: how many of its episode were completed after it."""

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


Held = HeldPiece | HeldFilm


def judge(held: Held, now: datetime) -> Verdict:
    match held:
        case HeldPiece():
            return _piece(held, now)
        case HeldFilm():
            return _film(held, now)
        case _:
            assert_never(held)


def _piece(held: HeldPiece, now: datetime) -> Verdict:
    """Films in progress need no other sign: each finds, and so uses, every piece that it is joined from."""
    if held.deleting:
        return Verdict(Action.DELETE, "its bytes are being deleted", held.marked_at or held.used_at)
    if held.marked_at is not None:
        return over(held.marked_at, f"nothing has used it for {PIECES_KEPT.days} days", now)
    return after(PIECES_KEPT, held.used_at, "used by a film or rendered ahead", now)


def _film(held: HeldFilm, now: datetime) -> Verdict:
    surplus = held.newer >= FILMS_KEPT
    why = (
        f"{FILMS_KEPT} newer films of its episode were completed"
        if surplus
        else (f"one of the last {FILMS_KEPT} films of its episode")
    )
    if held.episode_deleted:
        why = "its episode was deleted"
    if held.marked_at is not None:
        return over(held.marked_at, why, now)
    return Verdict(Action.MARK if surplus or held.episode_deleted else Action.KEEP, why, held.completed_at)
