"""Events that the gateway owns."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.values import (
    Actor,
    AudioConfig,
    CaptionMode,
    Media,
    ObjectRef,
    Output,
    ParentReason,
    ProjectSettings,
    Ref,
    RunSource,
    SegmentType,
    Timestamp,
    Transition,
    Value,
)


class RegenerateRequested(Ref, Event):
    """A run was admitted: the asset's lock is held until the run ends."""

    TOPIC: ClassVar[str] = "regenerate-requested"

    source: RunSource
    label: str
    overrides: dict[str, Any] = Field({}, description="directions, model and settings that the caller named")
    project_settings: ProjectSettings = ProjectSettings()
    variants: int = Field(1, ge=1, le=4)
    keep_original: bool = True
    auto_approve: bool = False
    review_timeout_s: int | None = Field(None, description="null: no deadline")
    starting_image_version_id: str | None = Field(None, description="pinned when the run was requested")
    previous_video_asset_id: str | None = None
    input_object: ObjectRef | None = None
    input_url: str | None = None
    version_id: str | None = Field(None, description="source existing: the version that is offered again")
    parent_run_id: str | None = None
    parent_reason: ParentReason | None = None
    batch_id: str | None = None
    actor: Actor

    @property
    def key(self) -> str:
        return self.asset_id

    @property
    def subject(self) -> str:
        return self.run_id


class DecisionAction(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_REGENERATION = "request_regeneration"


class DecisionSubmitted(Ref, Event):
    """A person decided on the version they saw; review says whether it counts."""

    TOPIC: ClassVar[str] = "decision-submitted"

    decision_id: str
    version_id: str
    action: DecisionAction
    rating: int | None = Field(None, ge=1, le=5)
    feedback: str | None = None
    suggested_changes: dict[str, Any] | None = None
    regenerate: bool = False
    next_run_id: str | None = None
    submitted_at: Timestamp
    actor: Actor

    @property
    def key(self) -> str:
        return self.asset_id

    @property
    def subject(self) -> str:
        return self.run_id


class CancelTarget(StrEnum):
    RUN = "run"
    IMPORT = "import"
    COMPILATION = "compilation"


class CancelRequested(Event):
    TOPIC: ClassVar[str] = "cancel-requested"

    target: CancelTarget
    target_id: str
    asset_id: str | None = Field(None, description="of a run")
    episode_id: str
    actor: Actor

    @property
    def key(self) -> str:
        return self.asset_id or self.episode_id

    @property
    def subject(self) -> str:
        return self.target_id


class TimelineSegment(Value):
    segment_id: str
    number: int
    type: SegmentType
    video_asset_id: str
    starting_image_asset_id: str
    narration_asset_id: str
    transition_after: Transition | None = None


class EpisodeChanged(Event):
    """The timeline as it is now; a lower `timeline_version` than applied changes nothing."""

    TOPIC: ClassVar[str] = "episode-changed"

    episode_id: str
    timeline_version: int
    deleted: bool = False
    deleted_asset_ids: list[str] = Field([], description="by this change; absence elsewhere deletes nothing")
    output: Output
    segments: list[TimelineSegment]
    music_asset_id: str | None = None

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.episode_id


class PinnedMedia(Value):
    """A committed version as pinned when the compilation was requested."""

    asset_id: str
    version_id: str
    object: ObjectRef
    media: Media
    directions: str = ""
    model: str | None = None
    approved_by: str | None = None
    language: str | None = Field(None, description="BCP 47, of what is spoken: as set, else as the provider spoke it")


class CompileItem(Value):
    segment_id: str
    number: int
    video: PinnedMedia
    narration: PinnedMedia | None = None
    transition_after: Transition | None = None


class CompileRequested(Event):
    TOPIC: ClassVar[str] = "compile-requested"

    episode_id: str
    compilation_id: str
    timeline_version: int
    items: list[CompileItem]
    music: PinnedMedia | None = None
    audio: AudioConfig = AudioConfig()
    captions: CaptionMode = CaptionMode.SOFT
    output: Output
    expires_at: Timestamp
    batch_id: str | None = None
    actor: Actor

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.compilation_id


class ImportRequested(Event):
    """An existing film is to be split into clips."""

    TOPIC: ClassVar[str] = "import-requested"

    import_id: str
    episode_id: str
    object: ObjectRef
    scene_threshold: float | None = None
    actor: Actor
    kind: Literal["film"] = "film"

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.import_id
