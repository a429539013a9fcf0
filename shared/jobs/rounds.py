"""The recurring rounds of this process: their last success, for the metrics, and which are dead, for readiness."""

from __future__ import annotations

import time
from typing import Final

from shared.observability.metrics import RECURRING_FAILED, RECURRING_LAST_SUCCESS

DEAD_AFTER_S: Final = 60.0  # of failures without a success, and never less than three rounds


class Round:
    """Work that recurs every `every_s` seconds. Running for long is no failure."""

    def __init__(self, name: str, every_s: float) -> None:
        self.name = name
        self._dead_after_s = max(DEAD_AFTER_S, 3 * every_s)
        self._failing_since: float | None = None
        self._error = ""
        self.ended = False

    def succeeded(self) -> None:
        self._failing_since = None
        RECURRING_LAST_SUCCESS.labels(self.name).set_to_current_time()

    def failed(self, error: BaseException) -> None:
        self._failing_since = self._failing_since or time.monotonic()
        self._error = repr(error)[:300]
        RECURRING_FAILED.labels(self.name).inc()

    @property
    def problem(self) -> str | None:
        if self.ended:
            return f"{self.name} has ended"
        if self._failing_since is None:
            return None
        failing_s = time.monotonic() - self._failing_since
        return (
            f"{self.name} has failed for {failing_s:.0f} s: {self._error}" if failing_s > self._dead_after_s else None
        )


class Rounds:
    """What runs in this process now."""

    def __init__(self) -> None:
        self._running: set[Round] = set()

    def add(self, name: str, every_s: float) -> Round:
        added = Round(name, every_s)
        self._running.add(added)
        return added

    def remove(self, removed: Round) -> None:
        self._running.discard(removed)

    def problem(self) -> str | None:
        """The problems of all rounds, or None."""
        return "; ".join(sorted(found for r in self._running if (found := r.problem))) or None


ROUNDS: Final = Rounds()
"""Of this process, like the registry of its metrics."""
