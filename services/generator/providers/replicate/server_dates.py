"""Replicate's clock, read from the `Date` of every answer: of successes, of refusals, of pages that do not exist."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from shared.core.clock import Clock

VALID_FOR: Final = timedelta(minutes=10)  # clocks are set, and drift
ONE_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Skew:
    """Replicate's clock minus ours lies between these two. They differ by the time that the answer took, and by the
    second in which `Date` counts."""

    least: timedelta
    most: timedelta

    @property
    def width(self) -> timedelta:
        return self.most - self.least


class ServerDates:
    """`skew` is the most exact one of the last minutes; None before the first answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._measured_at = clock.now()
        self.skew: Skew | None = None

    def now(self) -> datetime:
        return self._clock.now()

    def record(self, sent_at: datetime, date: str) -> None:
        """`date` is the header of the answer to a request that was sent at that time; empty if there is none."""
        received_at = self._clock.now()
        try:
            at = parsedate_to_datetime(date)
            skew = Skew(at - received_at, at + ONE_SECOND - sent_at)
        except (ValueError, TypeError):  # not a date, or without a time zone
            return
        if self.skew is None or skew.width <= self.skew.width or received_at - self._measured_at > VALID_FOR:
            self.skew, self._measured_at = skew, received_at
