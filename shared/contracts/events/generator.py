"""Events that the generator owns."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.values import (
    Actor,
    AssetKind,
    Cost,
    ObjectRef,
    Problem,
    Ref,
    RunSource,
    Settings,
    Timestamp,
    Value,
    Version,
)


class _OfRunOrImport(Event):
    """Either a run of an asset (run_id, asset_id, asset_kind) or an import of an episode (import_id)."""

    episode_id: str
    run_id: str | None = None
    asset_id: str | None = None
    asset_kind: AssetKind | None = None
    segment_id: str | None = None
    segment_number: int | None = None
    import_id: str | None = None
    run_rev: int = Field(description="counts the run's (or import's) changes; a lower one than applied is old news")

    @property
    def key(self) -> str:
        return self.asset_id or self.episode_id

    @property
    def subject(self) -> str:
        return self.run_id or self.import_id or self.episode_id


class Progress(_OfRunOrImport):
    TOPIC: ClassVar[str] = "progress"

    state: Literal["queued", "generating"]
    step: str
    percent: float | None = Field(None, ge=0, le=100)
    message_code: str
    message_args: dict[str, Any] = {}
    attempt: int = 1
    provider_ref: str | None = None
    settings: Settings | None = Field(None, description="effective settings, with the first one of a run")


class Failed(_OfRunOrImport):
    TOPIC: ClassVar[str] = "failed"

    outcome: Literal["failed", "cancelled"]
    step: str
    problem: Problem
    attempts: int = 0
    cost: Cost


class PreviewReady(Ref, Event):
    """At least one candidate was made and verified; a decision is awaited."""

    TOPIC: ClassVar[str] = "preview-ready"

    run_rev: int
    source: RunSource
    label: str
    candidates: list[Version]
    problems: list[Problem] = Field([], description="candidates that were lost")
    cost: Cost
    auto_approve: bool = False
    review_timeout_s: int | None = None
    actor: Actor

    @property
    def key(self) -> str:
        return self.asset_id

    @property
    def subject(self) -> str:
        return self.run_id


class Complete(Ref, Event):
    """The committed pointer has moved, durably. Published for assets only, never for films."""

    TOPIC: ClassVar[str] = "complete"

    run_rev: int
    commit_seq: int
    version: Version
    previous_version_id: str | None = None
    updated_at: Timestamp
    retired: list[str] = Field([], description="version ids that this commit let go")
    cost: Cost
    actor: Actor

    @property
    def key(self) -> str:
        return self.asset_id

    @property
    def subject(self) -> str:
        return self.run_id


class ImportClip(Value):
    number: int
    start_s: float
    duration_s: float
    video: ObjectRef
    first_frame: ObjectRef


class ImportReady(Event):
    TOPIC: ClassVar[str] = "import-ready"

    import_id: str
    episode_id: str
    clips: list[ImportClip]
    warnings: list[str] = Field([], description="what a person should know of how the film was split")

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.import_id
