"""One row per topic: its producer, consumers, event and retention."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.base import Event
from shared.contracts.events import compiler, gateway, generator, review

DAY_MS: Final = 24 * 3600 * 1000
PARTITIONS: Final = 12  # permanent: a key must never move to another partition
MAX_RECORD_BYTES: Final = 1_000_000


class Service(StrEnum):
    GATEWAY = "gateway"
    GENERATOR = "generator"
    REVIEW = "review"
    COMPILER = "compiler"


@dataclass(frozen=True)
class Topic:
    """Only `producer` may write (ACL); each consuming service is one consumer group of its name."""

    name: str
    event: type[Event]
    producer: Service
    consumers: tuple[Service, ...]
    summary: str
    public: bool = False
    retention_ms: int = 7 * DAY_MS
    compact: bool = False
    replayed: bool = True  # republished from the outbox after the broker lost its data
    command: bool = False  # requests work: if it is dead-lettered, its consumer publishes the failure

    @property
    def config(self) -> dict[str, str]:
        """Kafka topic configuration. A compacted topic keeps every record for its retention before compaction."""
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
            "A run was admitted and its asset locked",
            public=True,
            command=True,
        ),
        Topic(
            "preview-ready",
            generator.PreviewReady,
            _GEN,
            (_GW, _REV),
            "All candidates of a run are settled and at least one was verified",
            public=True,
        ),
        Topic(
            "accepted",
            review.Accepted,
            _REV,
            (_GW, _GEN),
            "A candidate was accepted by a person or by auto_approve",
            public=True,
        ),
        Topic(
            "rejected",
            review.Rejected,
            _REV,
            (_GW, _GEN),
            "A person rejected the candidates (never an expiry)",
            public=True,
        ),
        Topic(
            "complete",
            generator.Complete,
            _GEN,
            (_GW, _COM),
            "A version was committed",
            public=True,
            compact=True,
        ),
        Topic(
            "progress",
            generator.Progress,
            _GEN,
            (_GW,),
            "Progress of a run or an import: each step, and at most one event a second",
            retention_ms=DAY_MS,
            replayed=False,
        ),
        Topic("failed", generator.Failed, _GEN, (_GW,), "A run or an import failed or was cancelled"),
        Topic(
            "decision-submitted", gateway.DecisionSubmitted, _GW, (_REV,), "A person submitted a decision", command=True
        ),
        Topic(
            "review-updated",
            review.ReviewUpdated,
            _REV,
            (_GW, _GEN),
            "A review was opened, expired or withdrawn, or a decision refused",
        ),
        Topic(
            "cancel-requested",
            gateway.CancelRequested,
            _GW,
            (_GEN, _COM),
            "A run, an import or a compilation is to be cancelled",
            command=True,
        ),
        Topic(
            "episode-changed",
            gateway.EpisodeChanged,
            _GW,
            (_GEN, _REV, _COM),
            "Order, output, transitions or assets of an episode changed, or it was deleted",
        ),
        Topic(
            "compile-requested",
            gateway.CompileRequested,
            _GW,
            (_COM,),
            "A film of pinned versions was requested",
            command=True,
        ),
        Topic("film-updated", compiler.FilmUpdated, _COM, (_GW,), "State, progress or file of a film changed"),
        Topic(
            "import-requested",
            gateway.ImportRequested,
            _GW,
            (_GEN,),
            "A film was uploaded to be split into clips",
            command=True,
        ),
        Topic(
            "import-ready",
            generator.ImportReady,
            _GEN,
            (_GW,),
            "The clips and first frames of an imported film are ready",
        ),
    )
}


DEAD_LETTER_CONFIG: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(30 * DAY_MS),
    "max.message.bytes": str(MAX_RECORD_BYTES + 48_576),
}
"""Of every dead-letter topic: time to find the cause, also over holidays."""


def dead_letter_topic(service: Service) -> str:
    """The topic for records that a consumer cannot process, whatever their producer."""
    return f"{service}.dlq"


def consumed_by(service: Service) -> tuple[Topic, ...]:
    return tuple(t for t in TOPICS.values() if service in t.consumers)


def produced_by(service: Service) -> tuple[Topic, ...]:
    return tuple(t for t in TOPICS.values() if t.producer is service)
