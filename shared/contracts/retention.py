"""How long things are kept, and what is said of one: by the generator that frees versions, by the compiler that frees
pieces and films, by the gateway that shows them and frees uploads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

ACCEPTED_KEPT: Final = 3
"""Of each asset the last accepted versions stay, the committed one among them."""

CLOSED_KEPT: Final = timedelta(days=7)
"""How long what was rejected, expired or not chosen can still be reopened, and bad output looked at."""

FILMS_KEPT: Final = 3
"""Of each episode the last completed films stay."""

PIECES_KEPT: Final = timedelta(days=7)
"""How long a piece stays that nothing uses. Longer than a compilation may take (24 h): what one has found, it keeps."""

GRACE: Final = timedelta(hours=48)
"""From the mark (no new use) to the end of the bytes. Longer than every compilation (24 h), media URL (2 h) and
backup, so that nobody who holds a reference finds it broken and services need not pin each other's objects."""


class Action(StrEnum):
    """`mark`: no new use from now on. `wait`: marked, its bytes stay for the grace time. `delete`: that is over."""

    KEEP = "keep"
    MARK = "mark"
    WAIT = "wait"
    DELETE = "delete"


@dataclass(frozen=True)
class Verdict:
    """What happens to a thing, why, since when that holds, and until when if it ends by itself."""

    action: Action
    why: str
    since: datetime
    until: datetime | None = None


def over(marked_at: datetime, why: str, now: datetime) -> Verdict:
    """Of what is marked: its grace time runs, or is over."""
    ends = marked_at + GRACE
    return Verdict(Action.DELETE if ends <= now else Action.WAIT, why, marked_at, ends)


def after(kept: timedelta, since: datetime, why: str, now: datetime) -> Verdict:
    """Of what is kept for a time and then marked."""
    return Verdict(Action.MARK if since + kept <= now else Action.KEEP, why, since, since + kept)
