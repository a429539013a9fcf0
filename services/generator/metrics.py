"""Metrics of the generator: runs by outcome, durations and costs of provider calls, limits and circuit breakers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.generator.domain.runs import Run

_BUCKETS: Final = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800)  # seconds

RUNS = Counter("retake_runs_total", "Runs that have ended", ["kind", "outcome"])
ACTIVE = Gauge("retake_runs_active", "Runs that have not ended, at the last sweep", ["state"])
OLDEST = Gauge("retake_runs_oldest_queued_seconds", "Age of the oldest queued run, at the last sweep")
PROVIDER = Histogram(
    "retake_provider_seconds",
    "Duration of a provider's call until its file is fetched",
    ["provider", "model", "outcome"],
    buckets=_BUCKETS,
)
PACE = Histogram(
    "retake_generation_seconds_per_second",
    "Time of generating a version, from the worker's start to its stored file, per second of what was made",
    ["kind", "model"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 12, 16, 20, 24, 30, 45, 60, 120),
)
PAID = Counter(
    "retake_provider_cost_total", "Cost of provider calls, by the price of the model", ["provider", "model", "currency"]
)
UNKNOWN = Gauge(
    "retake_provider_cost_unknown",
    "Price of calls that did not finish, and for which the provider may charge but does not say so, at the last sweep",
    ["provider", "model", "currency"],
)
THROTTLED = Counter("retake_provider_throttled_total", "Rate limit responses of a provider", ["provider"])
WAITING = Gauge("retake_provider_waiting", "Runs that wait for a provider's limit, at the last sweep", ["limit"])
BREAKER = Gauge(
    "retake_provider_breaker_open",
    "1 while a provider's circuit breaker is open",
    ["provider", "code"],
)


def run_ended(run: Run) -> None:
    RUNS.labels(run.request.asset_kind, run.state).inc()


def provider_called(provider: str, model: str | None, seconds: float, outcome: str) -> None:
    PROVIDER.labels(provider, model or "", outcome).observe(seconds)


def charges_swept(unknown: Mapping[tuple[str, str, str], Decimal]) -> None:
    """`unknown` amounts by provider, model and currency."""
    UNKNOWN.clear()
    for labels, at_most in unknown.items():
        UNKNOWN.labels(*labels).set(float(at_most))


def generated(kind: str, model: str, seconds: float, made_s: float | None) -> None:
    """`made_s`: the duration of what was made; a picture has none and is not counted."""
    if made_s:
        PACE.labels(kind, model).observe(seconds / made_s)


def runs_swept(
    active: Mapping[str, int], oldest_queued_s: float, waiting: Mapping[str, int], halted: Mapping[str, str]
) -> None:
    """`active` runs by state, `waiting` ones by limit, and `halted` providers with the code of their problem."""
    for gauge in (ACTIVE, WAITING, BREAKER):
        gauge.clear()
    for state, count in active.items():
        ACTIVE.labels(state).set(count)
    OLDEST.set(oldest_queued_s)
    for limit, count in waiting.items():
        WAITING.labels(limit).set(count)
    for provider, code in halted.items():
        BREAKER.labels(provider, code).set(1)
