"""One row per topic: who writes it, who reads it, what it carries, how long it lives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.base import Event
from shared.contracts.events import compiler, gateway, generator, review

DAY_MS: Final = 24 * 3600 * 1000
PARTITIONS: Final = 12  # for ever: a key must never change its partition
MAX_RECORD_BYTES: Final = 1_000_000


class Service(StrEnum):
    GATEWAY = "gateway"
    GENERATOR = "generator"
    REVIEW = "review"
    COMPILER = "compiler"


@dataclass(frozen=True)
class Topic:
    """`producer` alone writes (ACL); every consumer is one group named like its service."""

    name: str
    event: type[Event]
    producer: Service
    consumers: tuple[Service, ...]
    summary: str
    public: bool = False
    retention_ms: int = 7 * DAY_MS
    compact: bool = False
    replayed: bool = True  # republished from the outbox after a broker lost its data
    command: bool = False  # asks for work: if it is dead-lettered, its consumer publishes the failure

    @property
    def config(self) -> dict[str, str]:
        """Kafka topic configuration. A compacted topic keeps every record for its retention first."""
        base = {"max.message.bytes": str(MAX_RECORD_BYTES + 48_576)}
        if self.compact:
            return base | {"cleanup.policy": "compact", "min.compaction.lag.ms": str(self.retention_ms)}
        return base | {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


_GW, _GEN, _REV, _COM = Service.GATEWAY, Service.GENERATOR, Service.REVIEW, Service.COMPILER

TOPICS: Final[dict[str, Topic]] = {
    t.name: t
    for t in (
        Topic(
            "regenerate-requested",
            gateway.RegenerateRequested,
            _GW,
            (_GEN,),
            "A run was admitted, with the asset's lock",
            public=True,
            command=True,
        ),
        Topic(
            "preview-ready",
            generator.PreviewReady,
            _GEN,
            (_GW, _REV),
            "Candidates are settled, at least one is verified",
            public=True,
        ),
        Topic("accepted", review.Accepted, _REV, (_GW, _GEN), "A person or auto_approve took a candidate", public=True),
        Topic("rejected", review.Rejected, _REV, (_GW, _GEN), "A person rejected (never an expiry)", public=True),
        Topic(
            "complete",
            generator.Complete,
            _GEN,
            (_GW, _COM),
            "The committed pointer moved, durably",
            public=True,
            compact=True,
        ),
        Topic(
            "progress",
            generator.Progress,
            _GEN,
            (_GW,),
            "Queued, each step, else at most one a second",
            retention_ms=DAY_MS,
            replayed=False,
        ),
        Topic("failed", generator.Failed, _GEN, (_GW,), "A run or an import failed or was cancelled"),
        Topic("decision-submitted", gateway.DecisionSubmitted, _GW, (_REV,), "A person decides", command=True),
        Topic(
            "review-updated",
            review.ReviewUpdated,
            _REV,
            (_GW, _GEN),
            "A review was opened, expired or withdrawn, or a decision refused",
        ),
        Topic("cancel-requested", gateway.CancelRequested, _GW, (_GEN, _COM), "Cancel", command=True),
        Topic(
            "episode-changed",
            gateway.EpisodeChanged,
            _GW,
            (_GEN, _REV, _COM),
            "Order, output, transitions or assets changed, or the episode was deleted",
        ),
        Topic(
            "compile-requested", gateway.CompileRequested, _GW, (_COM,), "Make a film of pinned versions", command=True
        ),
        Topic("film-updated", compiler.FilmUpdated, _COM, (_GW,), "Each state or percent change of a film"),
        Topic("import-requested", gateway.ImportRequested, _GW, (_GEN,), "Split an existing film", command=True),
        Topic("import-ready", generator.ImportReady, _GEN, (_GW,), "Clips and first frames are ready"),
    )
}


def dead_letter_topic(service: Service) -> str:
    """Where a consumer puts what it cannot process; several producers' records end there."""
    return f"{service}.dlq"


def consumed_by(service: Service) -> tuple[Topic, ...]:
    return tuple(t for t in TOPICS.values() if service in t.consumers)


def produced_by(service: Service) -> tuple[Topic, ...]:
    return tuple(t for t in TOPICS.values() if t.producer is service)
