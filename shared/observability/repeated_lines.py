"""What a library says many times a second, in a few lines: one at first, a count now and then, one at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

log = structlog.get_logger(__name__)

INTERVAL_S: Final = 30.0
KINDS: Final = 5  # of lines that a count names; further ones are only counted

Later = Callable[[float, Callable[[], None]], Callable[[], None]]
"""Calls a function once after so many seconds; returns what prevents it."""


def by_timer(delay_s: float, call: Callable[[], None]) -> Callable[[], None]:
    timer = threading.Timer(delay_s, call)
    timer.daemon = True  # it keeps no process from ending
    timer.start()
    return timer.cancel


@dataclass
class _Burst:
    """Lines in a row, each within an interval of another."""

    seen: set[str]
    left_out: int = 0
    total: int = 0
    lines: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By format string: the latest line, and how many were left out since the last count."""


class RepeatedLines(logging.Filter):
    """Of a library's warnings and errors the first passes. The others are left out until a whole interval has none, and
    counted in one line per interval, with the latest of each kind. Lines with a traceback pass once per kind.
    Everything of other loggers passes. For a handler: a logger's filter does not see what the loggers below it say."""

    def __init__(self, library: str, *, interval_s: float = INTERVAL_S, later: Later = by_timer) -> None:
        super().__init__(library)  # `logging.Filter.filter` is then true for this logger and those below it
        self._library = library
        self._interval_s = interval_s
        self._later = later
        self._lock = threading.Lock()
        self._burst: _Burst | None = None
        self._cancel: Callable[[], None] = _nothing

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or not super().filter(record):
            return True
        kind = str(record.msg)
        with self._lock:
            burst = self._burst
            if burst is None:
                self._burst = _Burst({kind})
                self._cancel = self._later(self._interval_s, self._interval_is_over)
                return True
            if record.exc_info and kind not in burst.seen and len(burst.seen) < KINDS:
                burst.seen.add(kind)
                return True
            burst.left_out += 1
            if kind in burst.lines or len(burst.lines) < KINDS:
                burst.lines[kind] = (record.getMessage(), burst.lines.get(kind, ("", 0))[1] + 1)
            return False

    def close(self) -> None:
        """Nothing more is counted or said."""
        with self._lock:
            self._cancel()
            self._burst = None

    def _interval_is_over(self) -> None:
        with self._lock:
            burst = self._burst
            if burst is None:
                return
            left_out, lines = burst.left_out, list(burst.lines.values())
            burst.total += left_out
            burst.left_out, burst.lines = 0, {}
            if left_out:
                self._cancel = self._later(self._interval_s, self._interval_is_over)
            else:
                self._burst = None
        if left_out:
            log.warning(
                "log.repeated",
                library=self._library,
                left_out=left_out,
                in_s=self._interval_s,
                lines=[f"{times} × {line}" for line, times in lines],
            )
        elif burst.total:
            log.info("log.quiet_again", library=self._library, left_out=burst.total, quiet_for_s=self._interval_s)


def _nothing() -> None:
    pass
