"""Review metrics of the whole installation for Prometheus. Their number does not grow with the number of projects."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import Gauge

from shared.core.clock import Clock
from shared.jobs.recurring import recurring

READ_EVERY_S: Final = 60.0  # a usual scrape interval; every replica reports the same values
RESTS: Final = 50
"""Times as long as a reading took is the pause after it: at most 2 % of a connection, however large the tables are."""
PERIOD: Final = timedelta(days=30)  # long enough for the rates of a small team, short enough to show a change

_HELP: Final[Mapping[str, str]] = {
    "segments_reviewed": "Segments that a person has decided on.",
    "decisions": "Decisions of people on videos.",
    "first_time_approval_rate": "Reviewed segments whose first decision was an approval (0 to 1).",
    "regeneration_rate": "Reviewed segments that were rejected at least once (0 to 1).",
    "mean_rating": "Mean rating of approved and rejected videos (1 to 5).",
    "films": "Episodes whose first film was completed.",
    "seconds_to_film": "Mean time from an episode's first run to its first film, in seconds.",
    "mean_film_rating": "Mean rating of films (1 to 5).",
    "films_handed_over": "Films that were downloaded or exported.",
    "recompilation_rate": "Handed-over films after which the episode was compiled again (0 to 1).",
    "videos_generated": "Runs that generated a video.",
    "generation_seconds_per_5s": "Time of generating 5 s of video, from the worker's start to the preview, in seconds.",
}
_GAUGES: Final = {
    name: Gauge(f"retake_review_{name}", f"{text} All projects, last 30 days; NaN: no data")
    for name, text in _HELP.items()
}
_TARGET: Final = Gauge(
    "retake_review_target",
    "Target of each metric; a maximum for regeneration_rate, seconds_to_film and generation_seconds_per_5s",
    ["metric"],
)


def review_gauges(
    measure: Callable[[datetime], Awaitable[Mapping[str, Any]]], targets: Mapping[str, float], clock: Clock
) -> AbstractAsyncContextManager[None]:
    """Updates the gauges while the block runs. `measure(since)` returns the value of each, None without data."""
    for name, target in targets.items():
        _TARGET.labels(name).set(target)

    rested_at = clock.monotonic()

    async def read() -> None:
        nonlocal rested_at
        began = clock.monotonic()
        if began < rested_at:
            return
        try:
            values = await measure(clock.now() - PERIOD)
        finally:
            rested_at = clock.monotonic() + RESTS * (clock.monotonic() - began)
        for name, gauge in _GAUGES.items():
            gauge.set(math.nan if values[name] is None else values[name])

    return recurring(read, name="review-gauges", every_s=READ_EVERY_S, clock=clock, at_once=True)
