"""The log of events behind every stream: one sequence, and a place in it as clients see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class StreamEvent:
    """One event for the SSE log; `data` as the API names it."""

    name: str
    project_id: str
    episode_id: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One row. `data` is the JSON text as clients get it, on one line; `to_user`: also on the stream of a user."""

    seq: int
    project_id: str
    name: str
    data: str
    to_user: bool


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Every seq up to `pruned_to` is gone, `last` is the newest. Another epoch is another log."""

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
    """The seq after which to go on, why that is impossible, or None: the client knows nothing yet."""
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
