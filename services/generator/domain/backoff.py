"""How long to wait before the next attempt: exponential, with jitter, never less than the other side asked for."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 2.0
MOST_S: Final = 120.0  # beyond, a person wants to know rather than wait
ASKED_MOST_S: Final = 600.0  # an absurd Retry-After must not park a run for a day


def delay_before(next_attempt: int, *, random: float, asked_s: float | None = None) -> float:
    """Seconds before attempt `next_attempt` (2 is the first repetition); `random` from 0 to 1 spreads the herd."""
    exponential = min(MOST_S, FIRST_S * 2.0 ** max(0, next_attempt - 2))
    jittered = exponential * (0.5 + random / 2)
    return max(jittered, min(asked_s or 0.0, ASKED_MOST_S))
