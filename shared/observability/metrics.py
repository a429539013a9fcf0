"""The Prometheus metrics that all services share. A service's own metrics are in its `metrics.py`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SERVICE_READY = Gauge("retake_ready", "1 if the service is ready", ["service"])
BUILD_INFO = Gauge("retake_build_info", "1; the labels tell what runs", ["service", "version", "python"])
BROKER_UP = Gauge("retake_broker_up", "1 if the relay reaches the broker", ["service"])

OUTBOX_PUBLISHED = Counter("retake_outbox_published_total", "Rows published", ["service"])
OUTBOX_WAITING = Gauge("retake_outbox_waiting", "Rows in the last flush", ["service"])
OUTBOX_UNPUBLISHED = Gauge("retake_outbox_unpublished", "Rows that wait to be published", ["service"])
OUTBOX_OLDEST = Gauge(
    "retake_outbox_oldest_age_seconds", "Age of the oldest row that waits to be published; 0 if none waits", ["service"]
)
OUTBOX_SET_ASIDE = Gauge("retake_outbox_set_aside", "Rows that the producer refused for good", ["service"])
OUTBOX_REFUSED = Counter(
    "retake_outbox_refused_total", "Rows set aside because the producer refuses them for good", ["service", "topic"]
)
RELAY_ACTIVE = Gauge("retake_relay_active", "1 in the process that holds the lease to publish, else 0", ["service"])
RELAY_UP = Gauge("retake_relay_up", "1 while this process publishes or stands by without error", ["service"])

CONSUMER_LAG = Gauge(
    "retake_consumer_lag", "Records of a topic that this process is assigned and has not read", ["service", "topic"]
)
EVENTS_CONSUMED = Counter("retake_events_consumed_total", "Events applied", ["service", "topic"])
EVENTS_DEAD_LETTERED = Counter(
    "retake_events_dead_lettered_total", "Records sent to the dead-letter topic", ["service", "topic"]
)
CONSUMER_BATCH_SECONDS = Histogram("retake_consumer_batch_seconds", "Time to apply one batch", ["service"])
CONSUMER_BUSY_SINCE = Gauge(
    "retake_consumer_busy_since_seconds", "Unix time at which the current batch was taken; 0 when idle", ["service"]
)

JOBS_RUNNING = Gauge("retake_jobs_running", "Jobs that run in this process", ["kind"])
JOBS_OLDEST_WAITING = Gauge(
    "retake_jobs_oldest_waiting_seconds", "Time for which the oldest job that is due has waited", ["service", "kind"]
)
JOB_SECONDS = Histogram(
    "retake_job_seconds",
    "Running time of a job",
    ["kind", "outcome"],
    buckets=(0.05, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
)

DB_POOL_SIZE = Gauge("retake_db_pool_size", "Connections that the pool may open", ["service"])
DB_POOL_IN_USE = Gauge("retake_db_pool_in_use", "Connections of the pool that are in use", ["service"])

SIGNING_EXPIRES = Gauge(
    "retake_signing_certificate_expires_timestamp_seconds",
    "Unix time at which the certificate that signs Content Credentials ends; 0 in a service that does not sign",
)

RECURRING_LAST_SUCCESS = Gauge(
    "retake_recurring_last_success_timestamp_seconds", "Unix time at which recurring work last succeeded", ["name"]
)
RECURRING_FAILED = Counter("retake_recurring_failed_total", "Runs of recurring work that failed", ["name"])

RETENTION_FREED = Counter(
    "retake_retention_freed_total",
    "Versions, films, pieces, uploads and orphaned objects that retention deleted",
    ["what"],
)
RETENTION_FREED_BYTES = Counter("retake_retention_freed_bytes_total", "Bytes that retention deleted", ["what"])
