"""Replicate's clock against ours, from the `Date` of answers that took their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from services.generator.providers.replicate.server_dates import ServerDates
from tests.support.clock import FakeClock

AT = datetime(2026, 3, 1, 12, 0, 0, 400_000, tzinfo=UTC)


@pytest.mark.parametrize("skew_s", [-3600.0, -2.5, 0.0, 0.7, 90.0])
@pytest.mark.parametrize(("before_s", "after_s"), [(0.01, 0.01), (5.0, 0.0), (0.0, 5.0)])
def test_the_true_skew_lies_within_the_bounds(skew_s: float, before_s: float, after_s: float) -> None:
    clock = FakeClock(AT)
    dates = ServerDates(clock)
    sent_at = clock.now()
    clock.move(before_s)
    date = format_datetime((clock.now() + timedelta(seconds=skew_s)).replace(microsecond=0), usegmt=True)
    clock.move(after_s)
    dates.record(sent_at, date)
    assert dates.skew and dates.skew.least <= timedelta(seconds=skew_s) <= dates.skew.most
    assert dates.skew.width == timedelta(seconds=1 + before_s + after_s)


def test_a_slow_answer_does_not_replace_a_quick_one_of_the_last_minutes_and_nonsense_none() -> None:
    clock = FakeClock(AT)
    dates = ServerDates(clock)
    dates.record(clock.now(), "Sun, 01 Mar 2026 12:00:00 GMT")
    quick = dates.skew
    clock.move(30)
    for date in ("", "yesterday", "Sun, 01 Mar 2026 12:00:30 -0000", "Sun, 01 Mar 2026 12:00:30 GMT"):
        dates.record(clock.now() - timedelta(seconds=9), date)
    assert dates.skew == quick
    clock.move(3600)
    dates.record(clock.now() - timedelta(seconds=9), "Sun, 01 Mar 2026 13:00:31 GMT")
    assert dates.skew != quick
