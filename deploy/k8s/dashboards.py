"""Grafana's dashboards as code: five pages, each a table of panels. `make contracts` writes them as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 24  # of Grafana's grid
COLUMNS: Final = 2
HEIGHT: Final = 8
SCHEMA: Final = 39  # Grafana 10 and newer read it


@dataclass(frozen=True)
class Panel:
    """A graph over time. `unit` is Grafana's: s, reqps, short, bytes, percentunit, currencyUSD."""

    title: str
    unit: str
    queries: dict[str, str]
    """PromQL by legend."""


def _rate(metric: str, by: str, window: str = "5m") -> str:
    return f'sum by ({by}) (rate({metric}{{namespace="$namespace"}}[{window}]))'


def _latency(metric: str, by: str, quantile: float) -> str:
    buckets = f'sum by (le, {by}) (rate({metric}_bucket{{namespace="$namespace"}}[5m]))'
    return f"histogram_quantile({quantile}, {buckets})"


def _now(metric: str, by: str, how: str = "max") -> str:
    return f'{how} by ({by}) ({metric}{{namespace="$namespace"}})'


DASHBOARDS: Final[dict[str, tuple[Panel, ...]]] = {
    "loop": (
        Panel("Ready", "short", {"{{service}}": _now("retake_ready", "service", "min")}),
        Panel("Requests", "reqps", {"{{status}}": _rate("retake_http_request_seconds_count", "status")}),
        Panel(
            "Slowest percent of requests", "s", {"{{route}}": _latency("retake_http_request_seconds", "route", 0.99)}
        ),
        Panel("Turned away", "reqps", {"shed": _rate("retake_http_shed_total", "namespace")}),
        Panel("Runs that have not ended", "short", {"{{state}}": _now("retake_runs_active", "state")}),
        Panel("Runs that ended", "short", {"{{outcome}}": _rate("retake_runs_total", "outcome")}),
        Panel(
            "Reviews",
            "short",
            {
                "open": _now("retake_reviews_open", "namespace"),
                "decided a minute": f"60 * {_rate('retake_reviews_decided_total', 'namespace')}",
                "expired a minute": f"60 * {_rate('retake_reviews_expired_total', 'namespace')}",
            },
        ),
        Panel("Time to a decision", "s", {"median": _latency("retake_review_decision_seconds", "namespace", 0.5)}),
    ),
    "stream": (
        Panel("Open streams", "short", {"{{pod}}": _now("retake_sse_streams", "pod")}),
        Panel("Frames sent", "short", {"frames": _rate("retake_sse_frames_total", "namespace")}),
        Panel("Streams dropped", "short", {"{{pod}}": _rate("retake_sse_dropped_total", "pod")}),
        Panel("Answers held until work rests", "short", {"{{pod}}": _now("retake_http_waiting", "pod")}),
    ),
    "jobs": (
        Panel("Oldest job that is due", "s", {"{{kind}}": _now("retake_jobs_oldest_waiting_seconds", "kind")}),
        Panel("Jobs in hand", "short", {"{{kind}}": _now("retake_jobs_running", "kind", "sum")}),
        Panel("Jobs that ended", "short", {"{{kind}} {{outcome}}": _rate("retake_job_seconds_count", "kind, outcome")}),
        Panel("Median time of a job", "s", {"{{kind}}": _latency("retake_job_seconds", "kind", 0.5)}),
        Panel("Films", "short", {"{{state}}": _rate("retake_compilations_total", "state", "15m")}),
        Panel("Time of a film", "s", {"median": _latency("retake_compilation_seconds", "namespace", 0.5)}),
        Panel("Pieces of films", "short", {"{{origin}}": _rate("retake_pieces_total", "origin", "15m")}),
        Panel(
            "Recurring work that fails", "short", {"{{name}}": _rate("retake_recurring_failed_total", "name", "15m")}
        ),
    ),
    "providers": (
        Panel(
            "Calls", "reqps", {"{{provider}} {{outcome}}": _rate("retake_provider_seconds_count", "provider, outcome")}
        ),
        Panel("Median time of a call", "s", {"{{model}}": _latency("retake_provider_seconds", "model", 0.5)}),
        Panel(
            "Cost in an hour",
            "short",
            {"{{model}} {{currency}}": f"3600 * {_rate('retake_provider_cost_total', 'model, currency', '1h')}"},
        ),
        Panel(
            "Calls are paused",
            "short",
            {"{{provider}} {{code}}": _now("retake_provider_breaker_open", "provider, code")},
        ),
        Panel("Runs that wait for a limit", "short", {"{{limit}}": _now("retake_provider_waiting", "limit")}),
        Panel("Told to slow down", "short", {"{{provider}}": _rate("retake_provider_throttled_total", "provider")}),
    ),
    "data-plane": (
        Panel("Oldest event to publish", "s", {"{{service}}": _now("retake_outbox_oldest_age_seconds", "service")}),
        Panel("Published", "short", {"{{service}}": _rate("retake_outbox_published_total", "service")}),
        Panel(
            "Holders of the lease to publish", "short", {"{{service}}": _now("retake_relay_active", "service", "sum")}
        ),
        Panel(
            "Unread records", "short", {"{{service}} {{topic}}": _now("retake_consumer_lag", "service, topic", "sum")}
        ),
        Panel("Applied", "short", {"{{service}}": _rate("retake_events_consumed_total", "service")}),
        Panel("Time of a batch", "s", {"{{service}}": _latency("retake_consumer_batch_seconds", "service", 0.99)}),
        Panel(
            "Dead letters",
            "short",
            {"{{service}} {{topic}}": _rate("retake_events_dead_lettered_total", "service, topic")},
        ),
        Panel("Set aside", "short", {"{{service}}": _now("retake_outbox_set_aside", "service")}),
        Panel(
            "Connections of the pool in use",
            "percentunit",
            {"{{service}}": f"{_now('retake_db_pool_in_use', 'service')} / {_now('retake_db_pool_size', 'service')}"},
        ),
        Panel(
            "Bytes that retention freed",
            "bytes",
            {"{{what}}": _rate("retake_retention_freed_bytes_total", "what", "1h")},
        ),
    ),
}


def as_json(name: str) -> str:
    panels = [_panel(number, panel) for number, panel in enumerate(DASHBOARDS[name])]
    page = {
        "uid": f"retake-{name}",
        "title": f"Retake: {name.replace('-', ' ')}",
        "tags": ["retake"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_data_source(), _namespace()]},
        "panels": panels,
    }
    return json.dumps(page, indent=2) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    width = WIDTH // COLUMNS
    source = {"type": "prometheus", "uid": "$source"}
    targets = [
        {"refId": chr(ord("A") + n), "datasource": source, "expr": query, "legendFormat": legend}
        for n, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": number % COLUMNS * width, "y": number // COLUMNS * HEIGHT, "w": width, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _data_source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _namespace() -> dict[str, Any]:
    query = "label_values(retake_ready, namespace)"
    source = {"type": "prometheus", "uid": "$source"}
    return {
        "name": "namespace",
        "label": "Namespace",
        "type": "query",
        "datasource": source,
        "query": query,
        "refresh": 2,
    }
