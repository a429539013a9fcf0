"""Review metrics of the whole installation for Prometheus: a handful of numbers, whatever the number of projects."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import Gauge

from shared.core.clock import Clock
from shared.jobs.recurring import recurring

EVERY_S: Final = 60.0  # as often as Prometheus looks; every replica says the same
OF: Final = timedelta(days=30)  # long enough for rates of a small team, short enough to see a change

_GAUGES: Final[Mapping[str, Gauge]] = {
    name: Gauge(f"retake_review_{name}", f"{said} Of the last 30 days, all projects; NaN: nothing to measure")
    for name, said in {
        "segments_reviewed": "Segments that a person decided on.",
        "decisions": "Decisions of people on videos.",
        "first_time_approval_rate": "Segments whose first decision approved, of those reviewed.",
        "regeneration_rate": "Segments that were rejected at least once, of those reviewed.",
        "mean_rating": "Of approved and rejected videos, 1 to 5.",
        "films": "Episodes whose first film was completed.",
        "seconds_to_film": "From an episode's first run to its first film, mean.",
        "mean_film_rating": "Of films, 1 to 5.",
    }.items()
}
_TARGET: Final = Gauge(
    "retake_review_target", "What each metric should reach (regeneration and seconds: at most)", ["metric"]
)


def review_gauges(
    look: Callable[[datetime], Awaitable[Mapping[str, Any]]], targets: Mapping[str, float], clock: Clock
) -> AbstractAsyncContextManager[None]:
    """Sets the gauges for as long as the block runs."""
    for name, target in targets.items():
        _TARGET.labels(name).set(target)

    async def read() -> None:
        found = await look(clock.now() - OF)
        for name, gauge in _GAUGES.items():
            gauge.set(math.nan if found[name] is None else found[name])

    return recurring(read, name="review-gauges", every_s=EVERY_S, clock=clock, at_once=True)
