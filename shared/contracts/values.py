"""Values that events carry. All are frozen; unknown fields are ignored so that producers may add optional ones."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool


class Value(BaseModel):
    """Base of everything that crosses a topic."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AssetKind(StrEnum):
    VIDEO = "video"
    STARTING_IMAGE = "starting_image"
    IMAGE = "image"
    NARRATION = "narration"
    MUSIC = "music"

    @property
    def is_picture(self) -> bool:
        return self in (AssetKind.STARTING_IMAGE, AssetKind.IMAGE)


class SegmentType(StrEnum):
    SCENE = "scene"
    SHOT = "shot"
    TRANSITION = "transition"


class TransitionStyle(StrEnum):
    CUT = "cut"
    FADE = "fade"
    DISSOLVE = "dissolve"


class Fit(StrEnum):
    CROP = "crop"
    PAD = "pad"
    BLUR = "blur"


class RunSource(StrEnum):
    GENERATE = "generate"
    UPLOAD = "upload"
    URL = "url"
    IMPORT = "import"
    EXISTING = "existing"


class ParentReason(StrEnum):
    REJECTED = "rejected"
    RETRY = "retry"
    REOPEN = "reopen"
    ROLLBACK = "rollback"


class SettingSource(StrEnum):
    """Where an effective setting came from, highest precedence first."""

    OVERRIDE = "override"
    PROJECT_VIDEO = "project.video"
    PROJECT_IMAGE = "project.image"
    PROJECT_NARRATION = "project.narration"
    PROJECT_MUSIC = "project.music"
    EXISTING = "existing"
    DEFAULT = "default"


class CaptionMode(StrEnum):
    NONE = "none"
    SOFT = "soft"
    BURNED = "burned"


class ObjectRef(Value):
    """A stored object. `bucket` is logical: the name of the service that owns it."""

    bucket: str
    key: str
    size: int = Field(description="bytes")
    sha256: str
    content_type: str


class Setting(Value):
    value: Any
    source: SettingSource


Settings = dict[str, Setting]


class Media(Value):
    """As probed, never as asked for."""

    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    fps: float | None = None
    frames: int | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    loudness_lufs: float | None = None


class Quality(Value):
    """Scores 0-1, measured from pixels; `reasons` says why a measure is null."""

    overall_score: float | None = None
    consistency_score: float | None = None
    visual_quality: float | None = None
    measures: dict[str, float | None] = {}
    reasons: dict[str, str] = {}


class Cost(Value):
    amount: str = Field(description="decimal string", examples=["0.36"])
    currency: str = "USD"
    basis: Literal["reported", "estimated"] = "estimated"
    calls: int = 0


class Problem(Value):
    """What failed, why, and what the reader can do about it."""

    code: str
    cause: str
    recovery: str
    retryable: bool
    provider_code: str | None = None


class Actor(Value):
    kind: Literal["user", "policy", "system"]
    user_id: str | None = None


class Version(Value):
    version_id: str
    version_number: int
    object: ObjectRef
    poster: ObjectRef | None = None
    filmstrip: ObjectRef | None = None
    proxy: ObjectRef | None = None
    last_frame: ObjectRef | None = Field(None, description="of a video: a small picture to compare the next one with")
    media: Media
    quality: Quality | None = None
    directions: str = Field(description="unstyled, as the user wrote them")
    model: str | None = None
    provider: str
    seed: int | None = None
    starting_image_version_id: str | None = None
    settings: Settings = {}
    cost: Cost
    info: dict[str, Any] = Field({}, description="provider's own facts, such as animatic: true or word timings")


class Output(Value):
    """The shape of a film."""

    width: int = Field(1920, ge=16, le=3840)
    height: int = Field(1080, ge=16, le=3840)
    fps: int = Field(24, ge=12, le=60)
    fit: Fit = Fit.BLUR


class Transition(Value):
    style: TransitionStyle
    duration_s: float = Field(0.5, ge=0, le=5)


class Character(Value):
    name: str
    description: str = ""
    reference_images: list[ObjectRef] = []


class SpendCap(Value):
    amount: str
    currency: str = "USD"
    period: Literal["month", "total"] = "month"


class ProjectSettings(Value):
    """A project's defaults, as the gateway knew them when the run was admitted."""

    video: dict[str, Any] = {}
    image: dict[str, Any] = {}
    narration: dict[str, Any] = {}
    music: dict[str, Any] = {}
    output: Output = Output()
    style: str | None = None
    characters: list[Character] = []
    spend_cap: SpendCap | None = None


class NarrationMix(Value):
    gain_db: float = 0.0
    offset: float = Field(0.0, description="seconds from the segment's start")


class AudioConfig(Value):
    """How the film sounds."""

    background_music: StrictBool = True
    volume_normalization: StrictBool = True
    loudness_lufs: float = Field(-16, description="-14 web, -16 default, -23 broadcast")
    true_peak_dbtp: float = -1
    segment_sound: Literal["keep", "lower", "mute"] = "lower"
    narration: dict[str, NarrationMix] = Field({}, description="by segment id")
    music_gain_db: float = 0.0


class Ref(Value):
    """What an event keyed by asset is about."""

    run_id: str
    asset_id: str
    asset_kind: AssetKind
    episode_id: str
    segment_id: str | None = None
    segment_number: int | None = Field(None, description="from 1")


Timestamp = datetime
