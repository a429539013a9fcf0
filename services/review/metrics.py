"""What review counts for Prometheus. Counted where it is written: a transaction that is tried again counts twice."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

DECIDED = Counter("retake_reviews_decided_total", "Reviews that a decision closed", ["outcome", "actor"])
EXPIRED = Counter("retake_reviews_expired_total", "Reviews whose deadline passed")
WITHDRAWN = Counter("retake_reviews_withdrawn_total", "Reviews whose asset was deleted")
REFUSED = Counter("retake_reviews_refused_total", "Decisions that did not count", ["reason"])
LATENCY = Histogram(
    "retake_review_decision_seconds",
    "From the opening of a review to a person's decision",
    buckets=(1, 5, 15, 60, 300, 900, 1800, 3600, 14400, 86400),
)
