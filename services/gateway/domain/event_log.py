"""The event log behind every stream: one sequence, and the position of a client in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class StreamEvent:
    """An event to append to the log. `data`: JSON on one line, of the model that the API documents for `name`."""

    name: str
    project_id: str
    episode_id: str | None
    data: str


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A row of the log. `data` is JSON on one line, as clients get it; `to_user`: also on the streams of its users."""

    seq: int
    project_id: str
    name: str
    data: str
    to_user: bool


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Events up to `pruned_to` have been deleted; `last` is the newest. A different epoch means a different log."""

    epoch: str
    pruned_to: int
    last: int


class ResetReason(StrEnum):
    EPOCH_CHANGED = "epoch_changed"
    TOO_OLD = "too_old"
    UNKNOWN_ID = "unknown_id"


def event_id(epoch: str, seq: int) -> str:
    return f"{epoch}:{seq}"


def resume_position(last_event_id: str | None, bounds: LogBounds) -> int | ResetReason | None:
    """The seq to resume after, the reason why the client cannot resume, or None: the client has no position yet."""
    if not last_event_id:
        return None
    epoch, _, digits = last_event_id.rpartition(":")
    if not epoch or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:  # more would not fit a bigint
        return ResetReason.UNKNOWN_ID
    if epoch != bounds.epoch:
        return ResetReason.EPOCH_CHANGED
    seq = int(digits)
    if seq > bounds.last:
        return ResetReason.UNKNOWN_ID
    return seq if seq >= bounds.pruned_to else ResetReason.TOO_OLD
