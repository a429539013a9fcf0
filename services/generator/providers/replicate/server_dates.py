"""Replicate's clock, read from the `Date` of every answer: of successes, of refusals, of pages that do not exist."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from shared.core.clock import Clock

QUICK: Final = timedelta(seconds=2)  # an answer that took longer tells less than the one before it


class ServerDates:
    """`skew` is Replicate's clock minus ours, to a second; None before the first answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.skew: timedelta | None = None

    def now(self) -> datetime:
        return self._clock.now()

    def record(self, sent_at: datetime, date: str) -> None:
        """`date` is the header of the answer to a request that was sent at that time; empty if there is none."""
        if self.skew is not None and self._clock.now() - sent_at > QUICK:
            return
        try:
            self.skew = parsedate_to_datetime(date) - sent_at.replace(microsecond=0)
        except (ValueError, TypeError):  # not a date, or without a time zone
            return
