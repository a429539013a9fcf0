"""Estimates: prices of what the generator would be asked for, and times by what was measured."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.gateway.domain.estimates import Estimate, PlannedRun, total_cost, total_seconds
from shared.contracts.values import AssetKind


def run(model: str, amount: str = "0", variants: int = 1, currency: str = "USD") -> PlannedRun:
    return PlannedRun("a", "s", 1, AssetKind.VIDEO, variants, model, "p", Decimal(amount), currency)


@pytest.mark.parametrize(
    ("runs", "at_once", "film_s", "seconds"),
    [
        ([], 1, 2.5, 2.5),
        ([run("m"), run("m"), run("n")], 1, 0, 24.0),
        ([run("m"), run("m"), run("n")], 2, 1, 13.0),
        ([run("m"), run("m"), run("n")], 9, 0, 10.0),
        ([run("m", variants=3)], 1, 0, 30.0),
        ([run("m"), run("new")], 1, 0, None),
    ],
)
def test_times(runs: list[PlannedRun], at_once: int, film_s: float, seconds: float | None) -> None:
    estimate = Estimate(tuple(runs), at_once=at_once, film_s=film_s)
    assert total_seconds(estimate, {"m": 10.0, "n": 4.0}) == seconds


def test_costs_are_added_per_currency() -> None:
    runs = [run("m", "0.30"), run("m", "0.12"), run("e", "1", currency="EUR")]
    assert total_cost(runs) == {"USD": Decimal("0.42"), "EUR": Decimal(1)}
