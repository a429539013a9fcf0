"""The Prometheus metrics of review. Counted inside transactions: one that is retried counts twice."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

OPEN = Gauge("retake_reviews_open", "Previews that wait for a decision")
DECIDED = Counter("retake_reviews_decided_total", "Reviews closed by a decision", ["outcome", "actor"])
EXPIRED = Counter("retake_reviews_expired_total", "Reviews whose deadline passed")
WITHDRAWN = Counter("retake_reviews_withdrawn_total", "Reviews whose asset was deleted")
REFUSED = Counter("retake_reviews_refused_total", "Decisions that did not count", ["reason"])
LATENCY = Histogram(
    "retake_review_decision_seconds",
    "From the opening of a review to the decision that closed it",
    buckets=(1, 5, 15, 60, 300, 900, 1800, 3600, 14400, 86400),
)
