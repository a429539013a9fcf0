"""What operators watch: runs by outcome, how long providers take."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from services.generator.commands.ports import Pressure
from services.generator.domain.runs import Run

_MINUTES: Final = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800)

RUNS = Counter("retake_runs_total", "Runs that ended", ["kind", "outcome"])
ACTIVE = Gauge("retake_runs_active", "Runs that have not ended, as of the last sweep", ["state"])
OLDEST = Gauge("retake_runs_oldest_queued_seconds", "How long the oldest queued run has waited, as of the last sweep")
PROVIDER = Histogram(
    "retake_provider_seconds",
    "A provider's call, from asking to having the file",
    ["provider", "model", "outcome"],
    buckets=_MINUTES,
)
PAID = Counter(
    "retake_provider_cost_total", "What calls cost, by the price of the model", ["provider", "model", "currency"]
)
THROTTLED = Counter("retake_provider_throttled_total", "Times that a provider asked us to slow down", ["provider"])
BEHIND = Gauge("retake_provider_waiting", "Runs that wait for a limit, as of the last sweep", ["gate"])
BREAKER = Gauge("retake_provider_breaker_open", "1 while a provider refuses every call", ["provider", "code"])


class PrometheusMeter:
    """Implements `Meter`."""

    def run_ended(self, run: Run) -> None:
        RUNS.labels(run.request.asset_kind, run.state).inc()

    def provider_took(self, provider: str, model: str | None, seconds: float, outcome: str) -> None:
        PROVIDER.labels(provider, model or "", outcome).observe(seconds)

    def swept(self, active: dict[str, int], oldest_queued_s: float, pressure: Pressure) -> None:
        for gauge in (ACTIVE, BEHIND, BREAKER):
            gauge.clear()
        for gate, waiting in pressure.behind.items():
            BEHIND.labels(gate).set(waiting)
        for provider, code in pressure.broken.items():
            BREAKER.labels(provider, code).set(1)
        for state, count in active.items():
            ACTIVE.labels(state).set(count)
        OLDEST.set(oldest_queued_s)
