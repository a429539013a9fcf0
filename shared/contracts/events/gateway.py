"""The events that the gateway publishes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import Field

from shared.contracts.base import Event, RunEvent
from shared.contracts.values import (
    Actor,
    AudioConfig,
    CaptionMode,
    LanguageGuess,
    Media,
    ObjectRef,
    Output,
    ParentReason,
    ProjectSettings,
    RunSource,
    SegmentType,
    Timestamp,
    Transition,
    Value,
)


class RegenerateRequested(RunEvent):
    """A run was admitted; the asset stays locked until the run ends."""

    TOPIC: ClassVar[str] = "regenerate-requested"

    source: RunSource = Field(description="Where the run's media come from.")
    label: str = Field(description="The asset's name for users, for example `Segment 2`.")
    overrides: dict[str, Any] = Field({}, description="Directions, model and settings that the caller specified.")
    project_settings: ProjectSettings = Field(
        ProjectSettings(), description="The project's defaults when the run was admitted."
    )
    segment_style: str | None = Field(None, description="The segment's own style, in addition to the project's.")
    segment_characters: str | None = Field(
        None, description="The segment's own text about its characters, in addition to the project's."
    )
    guessed_language: LanguageGuess | None = Field(
        None, description="Of a narration; used if neither the request nor the project nor the asset sets a language."
    )
    variants: int = Field(1, ge=1, le=4, description="Number of versions to generate.")
    keep_original: bool = Field(True, description="False: the replaced version is freed once the new one is committed.")
    auto_approve: bool = Field(False, description="Accept the version without a person's review.")
    review_timeout_s: int | None = Field(None, description="Seconds until the review expires; null: no deadline.")
    starting_image_version_id: str | None = Field(
        None, description="The committed starting image when the run was requested."
    )
    previous_video_asset_id: str | None = Field(None, description="The video of the segment before.")
    input_object: ObjectRef | None = Field(None, description="The file of an upload or an import.")
    input_url: str | None = Field(None, description="Where to fetch the file of a run with source `url`.")
    version_id: str | None = Field(None, description="The version that is offered again, for source `existing`.")
    parent_run_id: str | None = Field(None, description="The run that this one follows.")
    parent_reason: ParentReason | None = Field(None, description="Why it follows that run.")
    batch_id: str | None = Field(None, description="The batch that started the run.")
    actor: Actor = Field(description="Who asked for the run.")


class DecisionAction(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_REGENERATION = "request_regeneration"


class DecisionSubmitted(RunEvent):
    """A person's decision on the version that they saw. The review service accepts or refuses it."""

    TOPIC: ClassVar[str] = "decision-submitted"

    decision_id: str = Field(description="The decision; sent again, it counts once.")
    version_id: str = Field(description="The version that the person saw.")
    action: DecisionAction = Field(description="What the person decided.")
    rating: int | None = Field(None, ge=1, le=5, description="From 1 to 5 stars.")
    feedback: str | None = Field(None, description="For people; never sent to a model.")
    suggested_changes: dict[str, Any] | None = Field(None, description="Changes for the next run.")
    regenerate: bool = Field(False, description="Start a new run with the suggested changes.")
    next_run_id: str | None = Field(None, description="The id of that new run.")
    submitted_at: Timestamp = Field(description="When the person decided.")
    actor: Actor = Field(description="Who decided.")


class CancelTarget(StrEnum):
    RUN = "run"
    IMPORT = "import"
    COMPILATION = "compilation"


class CancelRequested(Event):
    """A person cancelled a run, an import or a compilation."""

    TOPIC: ClassVar[str] = "cancel-requested"

    target: CancelTarget = Field(description="What is to be cancelled.")
    target_id: str = Field(description="Id of the run, import or compilation.")
    asset_id: str | None = Field(None, description="The asset of a run.")
    episode_id: str = Field(
        description="The episode of what is cancelled; the key of the record unless a run is cancelled."
    )
    actor: Actor = Field(description="Who cancelled it.")

    @property
    def key(self) -> str:
        return self.asset_id or self.episode_id

    @property
    def subject(self) -> str:
        return self.target_id


class TimelineSegment(Value):
    """A segment of the episode, in order."""

    segment_id: str = Field(description="The segment.")
    number: int = Field(description="Position, from 1.")
    type: SegmentType = Field(description="What the segment is.")
    video_asset_id: str = Field(description="The asset of its video.")
    starting_image_asset_id: str = Field(description="The asset of its video's first frame.")
    narration_asset_id: str = Field(description="The asset of its narration.")
    transition_after: Transition | None = Field(None, description="To the next segment; null: a cut.")


class EpisodeChanged(Event):
    """The current timeline of an episode. Ignore an event with a lower `timeline_version` than already applied."""

    TOPIC: ClassVar[str] = "episode-changed"

    episode_id: str = Field(description="The episode; it is the key of the record.")
    timeline_version: int = Field(description="Counts the changes of the timeline.")
    deleted: bool = Field(False, description="The episode was deleted.")
    deleted_asset_ids: list[str] = Field(
        [], description="Assets that this change deleted. An asset that is missing elsewhere was not deleted."
    )
    restored_asset_ids: list[str] = Field(
        [],
        description="Assets that an earlier change deleted and this one brings back, with the versions that they had. "
        "Their runs stay cancelled, and their reviews withdrawn.",
    )
    output: Output = Field(description="The picture format of its films.")
    segments: list[TimelineSegment] = Field(description="All its segments, in the order of the film.")
    music_asset_id: str | None = Field(None, description="The asset of its music.")

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.episode_id


class PinnedMedia(Value):
    """A version that was committed when the compilation was requested, and that the film uses."""

    asset_id: str = Field(description="The asset.")
    version_id: str = Field(description="The version of it.")
    object: ObjectRef = Field(description="The media file.")
    media: Media = Field(description="The file as probed.")
    directions: str = Field("", description="Empty where `texts_in_complete` is set.")
    model: str | None = Field(None, description="Null where `texts_in_complete` is set.")
    approved_by: str | None = Field(
        None, description="Who approved the version; null where `texts_in_complete` is set."
    )
    language: str | None = Field(
        None,
        description="BCP 47 tag of the speech: as requested, else as the provider spoke it; null where "
        "`texts_in_complete` is set.",
    )


class PinnedNote(Value):
    """An open note about a pinned version, for the film's timeline."""

    version_id: str = Field(description="The version that the note is about.")
    at: float = Field(description="Seconds from the version's start.")
    until: float | None = Field(None, description="Where the part ends, in seconds; null: a moment.")
    text: str = Field(description="At most 200 characters of it.")
    by: str = Field(description="Who wrote it.")


class CompileItem(Value):
    """A segment of the film."""

    segment_id: str = Field(description="The segment.")
    number: int = Field(description="Position of the segment in the episode, from 1.")
    video: PinnedMedia = Field(description="Its video.")
    narration: PinnedMedia | None = Field(None, description="Its narration; null: it has none.")
    transition_after: Transition | None = Field(None, description="To the next item; null: a cut.")
    scene: str | None = Field(None, description="Title of its scene, for the film's chapters; null: unknown.")


class CompileRequested(Event):
    """A film of pinned versions was requested."""

    TOPIC: ClassVar[str] = "compile-requested"

    episode_id: str = Field(description="The episode; it is the key of the record.")
    compilation_id: str = Field(description="The compilation to make.")
    timeline_version: int = Field(description="The timeline that the versions were taken from.")
    items: list[CompileItem] = Field(description="The segments in the order of the film.")
    music: PinnedMedia | None = Field(None, description="The episode's music; null: there is none.")
    audio: AudioConfig = Field(AudioConfig(), description="How the sound is mixed.")
    captions: CaptionMode = Field(CaptionMode.SOFT, description="Where the narrations are shown as text.")
    output: Output = Field(description="The picture format of the film.")
    texts_in_complete: bool = Field(
        False,
        description="The directions, model, language and approver of the pinned versions are left out: they are those "
        "of the versions' `complete` events. So the size of the request does not depend on the length of any text.",
    )
    notes: list[PinnedNote] = Field(
        [], description="The open notes about the pinned versions, as many as fit: markers of the film's timeline."
    )
    expires_at: Timestamp = Field(description="The compilation fails if it is not ready by then.")
    batch_id: str | None = Field(None, description="The batch that ends with this film.")
    actor: Actor = Field(description="Who asked for the film.")

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.compilation_id


class ImportRequested(Event):
    """An uploaded film is to be split into clips at its scene cuts."""

    TOPIC: ClassVar[str] = "import-requested"

    import_id: str = Field(description="The import.")
    episode_id: str = Field(description="The episode that the clips go into; it is the key of the record.")
    object: ObjectRef = Field(description="The uploaded film.")
    scene_threshold: float | None = Field(
        None, description="How different two frames are at a cut, 0 to 1; null: the default."
    )
    actor: Actor = Field(description="Who imports the film.")
    kind: Literal["film"] = Field("film", description="What is imported.")

    @property
    def key(self) -> str:
        return self.episode_id

    @property
    def subject(self) -> str:
        return self.import_id
