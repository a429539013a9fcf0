"""The event log behind every stream: one sequence, and the position of a client in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


@dataclass(frozen=True)
class StreamEvent:
    """An event to append to the log. `data`: JSON on one line, of the model that the API documents for `name`."""

    name: str
    project_id: str
    episode_id: str | None
    data: str


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the log. `tag` tells which event has the number: a database that was restored from a backup, or a
    standby that was promoted too early, gives the same numbers to other events."""

    seq: int
    tag: str


BEGINNING: Final = Place(0, "0")


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A row of the log. `data` is JSON on one line, as clients get it; `to_user`: also on the streams of its users."""

    seq: int
    project_id: str
    name: str
    data: str
    to_user: bool
    tag: str
    episode_id: str | None = None

    @property
    def place(self) -> Place:
        return Place(self.seq, self.tag)


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Events up to `pruned_to` have been deleted; `last` is the newest. A different epoch means a different log.
    `tags`: of the numbers that were asked for, as far as the log has them."""

    epoch: str
    pruned_to: Place
    last: Place
    tags: Mapping[int, str] = field(default_factory=dict)

    def has_passed(self, place: Place) -> bool:
        """Whether the log holds this place, or held it before it was pruned. Ask for its number with the bounds."""
        if place.seq == self.pruned_to.seq:
            return place == self.pruned_to
        return place.seq < self.pruned_to.seq or self.tags.get(place.seq) == place.tag


class ResetReason(StrEnum):
    EPOCH_CHANGED = "epoch_changed"
    TOO_OLD = "too_old"
    UNKNOWN_ID = "unknown_id"


@dataclass(frozen=True, slots=True)
class EventId:
    """What `id` of an event says. Clients take it for opaque."""

    epoch: str
    place: Place

    def __str__(self) -> str:
        return f"{self.epoch}.{self.place.tag}:{self.place.seq}"

    @classmethod
    def parse(cls, text: str) -> EventId | None:
        """None if it is not one of ours."""
        head, _, digits = text.rpartition(":")
        epoch, _, tag = head.rpartition(".")
        if not epoch or not (digits.isascii() and digits.isdigit()) or len(digits) > 18:  # more would not fit a bigint
            return None
        return cls(epoch, Place(int(digits), tag))


def resume_position(last: EventId | None, bounds: LogBounds) -> int | ResetReason:
    """The seq to resume after, or the reason why the client cannot resume. None: what it sent is no id."""
    if last is None:
        return ResetReason.UNKNOWN_ID
    if last.epoch != bounds.epoch:
        return ResetReason.EPOCH_CHANGED
    if last.place.seq > bounds.last.seq:
        return ResetReason.UNKNOWN_ID
    if last.place.seq < bounds.pruned_to.seq:
        return ResetReason.TOO_OLD
    return last.place.seq if bounds.has_passed(last.place) else ResetReason.EPOCH_CHANGED
