"""Limits the requests that are answered at the same time, and those that wait; further ones get 503."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import Counter, Gauge

from services.gateway.api.problems import ProblemError, unavailable
from shared.contracts.messages import message

RETRY_S: Final = 1  # a request takes milliseconds: a second later there is room, or there is really too much
SHED = Counter("retake_http_shed_total", "Requests sent away because too many were being answered")
BUSY = Gauge("retake_http_in_flight", "Requests being answered; streams, media and waits aside")
WAITING = Gauge("retake_http_waiting", "Answers that are held until work rests")


class ConcurrencyLimit:
    """`most` at work and `most_waiting` held by `Prefer: wait` or for a verdict. One event loop, so no locks.

    Behind them lie the database's few connections: whoever has a slot and gets no connection in time is a 503, too.
    """

    def __init__(self, most: int, most_waiting: int) -> None:
        self._most = most
        self._most_waiting = most_waiting
        self._busy = 0
        self._waiting = 0

    @contextmanager
    def work(self) -> Iterator[None]:
        """Raises ProblemError unavailable."""
        if self._busy >= self._most:
            SHED.inc()
            raise self.full()
        self._busy += 1
        BUSY.set(self._busy)
        try:
            yield
        finally:
            self._busy -= 1
            BUSY.set(self._busy)

    @contextmanager
    def wait(self) -> Iterator[bool]:
        """Gives the slot of `work` to others meanwhile. False: too many wait; answer now (RFC 7240: may be ignored)."""
        if self._waiting >= self._most_waiting:
            yield False
            return
        self._waiting += 1
        self._busy -= 1
        WAITING.set(self._waiting)
        try:
            yield True
        finally:
            self._busy += 1
            self._waiting -= 1
            WAITING.set(self._waiting)

    def trouble(self) -> str | None:
        """For the health report."""
        return f"all {self._most} requests at once are in use" if self._busy >= self._most else None

    @staticmethod
    def full() -> ProblemError:
        return unavailable(message("problem.overloaded"), RETRY_S)
