"""The events that the generator publishes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Event, RunEvent
from shared.contracts.values import (
    Actor,
    AssetKind,
    Cost,
    ObjectRef,
    Problem,
    RunSource,
    Settings,
    Timestamp,
    Value,
    Version,
)


class _OfRunOrImport(Event):
    """About a run of an asset (`run_id`, `asset_id`, `asset_kind`) or an import of an episode (`import_id`)."""

    episode_id: str = Field(description="The episode of the run or import; it is the key of an import's record.")
    run_id: str | None = Field(None, description="The run; null: it is about an import.")
    asset_id: str | None = Field(None, description="The asset of the run; it is the key of the record.")
    asset_kind: AssetKind | None = Field(None, description="What the asset holds.")
    segment_id: str | None = Field(
        None, description="Null for imports, and for assets of the episode, such as its music."
    )
    segment_number: int | None = Field(None, description="Position of the segment, from 1.")
    import_id: str | None = Field(None, description="The import; null: it is about a run.")
    run_rev: int = Field(
        description="Counts the changes of the run or import; ignore a lower one than already applied."
    )

    @property
    def key(self) -> str:
        return self.asset_id or self.episode_id

    @property
    def subject(self) -> str:
        return self.run_id or self.import_id or self.episode_id


class Progress(_OfRunOrImport):
    """How far a run or an import has come. Published when a step begins, else at most once a second."""

    TOPIC: ClassVar[str] = "progress"

    state: Literal["queued", "generating"] = Field(description="`queued` until a worker has taken it.")
    step: str = Field(description="The step that it is in.")
    percent: float | None = Field(None, ge=0, le=100, description="Null: unchanged or unknown.")
    message_code: str = Field(description="Code of the message catalogue.")
    message_args: dict[str, Any] = Field({}, description="Arguments of the message.")
    attempt: int = Field(1, description="Number of the attempt, from 1.")
    provider_ref: str | None = Field(None, description="The provider's id of the call.")
    settings: Settings | None = Field(None, description="Effective settings; sent with the first event of a run.")


class Failed(_OfRunOrImport):
    """A run or an import ended without a result."""

    TOPIC: ClassVar[str] = "failed"

    outcome: Literal["failed", "cancelled"] = Field(description="Whether it failed or was cancelled.")
    step: str = Field(description="The step that failed.")
    problem: Problem = Field(description="What failed, why, and what to do about it.")
    attempts: int = Field(0, description="Number of attempts made.")
    cost: Cost = Field(description="What its provider calls cost nevertheless.")


class PreviewReady(RunEvent):
    """All candidates of a run are settled and at least one was verified; the run waits for a decision."""

    TOPIC: ClassVar[str] = "preview-ready"

    run_rev: int = Field(description="Counts the changes of the run.")
    source: RunSource = Field(description="Where the run's media come from.")
    label: str = Field(description="The asset's name for users, for example `Segment 2`.")
    candidates: list[Version] = Field(description="The versions to choose from.")
    problems: list[Problem] = Field([], description="Why further candidates could not be generated.")
    cost: Cost = Field(description="What all provider calls of the run cost.")
    auto_approve: bool = Field(False, description="Accept the version without a person's review.")
    review_timeout_s: int | None = Field(None, description="Seconds until the review expires; null: no deadline.")
    actor: Actor = Field(description="Who asked for the run.")


class Complete(RunEvent):
    """A version was committed: the asset's committed pointer has moved, durably. Never published for films."""

    TOPIC: ClassVar[str] = "complete"

    run_rev: int = Field(description="Counts the changes of the run.")
    commit_seq: int = Field(description="Counts the commits of the asset; apply only a higher one.")
    version: Version = Field(description="The version that is committed now.")
    previous_version_id: str | None = Field(None, description="The version that was committed before.")
    updated_at: Timestamp = Field(description="When it was committed; media URLs change with it.")
    retired: list[str] = Field([], description="Versions that are no longer kept because of this commit.")
    cost: Cost = Field(description="What all provider calls of the run cost.")
    actor: Actor = Field(description="Who accepted the version.")


class ImportClip(Value):
    """A clip of an imported film."""

    number: int = Field(description="Position, from 1.")
    start_s: float = Field(description="Seconds from the film's start.")
    duration_s: float = Field(description="Seconds.")
    video: ObjectRef = Field(description="The clip's file.")
    first_frame: ObjectRef = Field(description="Its first frame, which becomes the starting image.")


class ImportReady(Event):
    """An imported film has been split into clips."""

    TOPIC: ClassVar[str] = "import-ready"

    import_id: str = Field(description="The import.")
    episode_id: str = Field(description="Its episode; it is the key of the record.")
    clips: list[ImportClip] = Field(description="The clips in the order of the film.")
    warnings: list[str] = Field([], description="Remarks about the split, as sentences for users.")

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.import_id
