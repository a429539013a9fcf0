"""The delay before the next attempt: exponential with jitter, and never shorter than the provider requested."""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 2.0
MAX_S: Final = 120.0  # beyond this a person would rather know than wait
REQUESTED_MAX_S: Final = 600.0  # an absurd Retry-After must not park a run for a day


def retry_delay(next_attempt: int, *, random: float, requested_s: float | None = None) -> float:
    """Seconds before attempt `next_attempt` (2 is the first retry). `random`, from 0 to 1, spreads the retries."""
    exponential = min(MAX_S, FIRST_S * 2.0 ** max(0, next_attempt - 2))
    jittered = exponential * (0.5 + random / 2)
    return max(jittered, min(requested_s or 0.0, REQUESTED_MAX_S))
