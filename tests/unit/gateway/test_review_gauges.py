"""How often the review metrics are read: every minute while that is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from services.gateway.metrics import PERIOD, READ_EVERY_S, review_gauges
from services.gateway.queries.metrics import TARGETS
from tests.support.clock import FakeClock

NOTHING: dict[str, Any] = dict.fromkeys(
    (
        *("segments_reviewed", "decisions", "first_time_approval_rate", "regeneration_rate", "mean_rating", "films"),
        *("seconds_to_film", "mean_film_rating", "films_handed_over", "recompilation_rate", "videos_generated"),
        "generation_seconds_per_5s",
    )
)


@pytest.mark.parametrize(
    ("takes_s", "fails", "readings"),
    [(0.1, False, 21), (12.0, False, 3), (12.0, True, 3)],
    ids=["cheap", "slow", "fails"],
)
async def test_a_reading_that_takes_long_is_followed_by_a_longer_pause(
    takes_s: float, fails: bool, readings: int, clock: FakeClock
) -> None:
    asked: list[datetime] = []

    async def measure(since: datetime) -> Mapping[str, Any]:
        asked.append(since)
        assert since == clock.now() - PERIOD
        await clock.sleep(takes_s)
        if fails:
            raise TimeoutError
        return NOTHING

    async with review_gauges(measure, TARGETS, clock):
        await clock.pass_time(20 * (READ_EVERY_S + takes_s))
    assert len(asked) == readings
