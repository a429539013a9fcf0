"""Retention periods, and what retention decides about one record. The generator applies them to versions, the compiler
to pieces and films, the gateway to uploads; the gateway also shows what the others will delete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

ACCEPTED_KEPT: Final = 3
"""The number of accepted versions kept for each asset, the committed one among them."""

CLOSED_KEPT: Final = timedelta(days=7)
"""How long rejected, expired and unchosen versions can be reopened, and bad output can be inspected."""

FILMS_KEPT: Final = 3
"""The number of completed films kept for each episode."""

PIECES_KEPT: Final = timedelta(days=7)
"""How long an unused piece is kept. Longer than a compilation may take (24 h), so that a compilation in progress never
loses a piece that it has found."""

GRACE: Final = timedelta(hours=48)
"""From marking a record (no new use) to deleting its bytes. Longer than any compilation (24 h), media URL (2 h) and
backup, so that no holder of a reference finds it broken and services need not pin each other's objects."""


RESTORABLE: Final = GRACE - timedelta(hours=2)
"""How long a deleted segment can be restored. Its bytes outlast that by the time that the services may take to hear of
it: after an outage that is longer, a restored asset can have lost versions."""


class Action(StrEnum):
    """`mark`: no new use from now on. `wait`: marked, within the grace period. `delete`: the grace period is over."""

    KEEP = "keep"
    MARK = "mark"
    WAIT = "wait"
    DELETE = "delete"


@dataclass(frozen=True)
class Disposition:
    """What happens to a record, why, since when that holds, and when it ends if it ends by itself."""

    action: Action
    reason: str
    since: datetime
    until: datetime | None = None


def delete_after(grace: timedelta, since: datetime, reason: str, now: datetime) -> Disposition:
    """The disposition of a marked record, or of an object without a row."""
    until = since + grace
    return Disposition(Action.DELETE if until <= now else Action.WAIT, reason, since, until)


def mark_after(period: timedelta, since: datetime, reason: str, now: datetime) -> Disposition:
    """The disposition of a record that is kept for a period and then marked."""
    until = since + period
    return Disposition(Action.MARK if until <= now else Action.KEEP, reason, since, until)
