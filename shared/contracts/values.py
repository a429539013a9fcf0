"""Values that events carry. All are frozen; unknown fields are ignored, so that producers can add optional ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any, Literal, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from shared.contracts.frame_rates import NTSC, exact_rate, nominal_rate


class Value(BaseModel):
    """Base class of everything that crosses a topic."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AssetKind(StrEnum):
    """What an asset is. `image` is a still picture without a video; `starting_image` is the first frame of one."""

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
    """cut: none; fade: through black; dissolve: a crossfade."""

    CUT = "cut"
    FADE = "fade"
    DISSOLVE = "dissolve"


class Fit(StrEnum):
    """How media of another aspect ratio fill the film's frame: cropped, padded with black, or over a blurred copy."""

    CROP = "crop"
    PAD = "pad"
    BLUR = "blur"


class RunSource(StrEnum):
    """Where a run's media come from. `existing` offers a version again (a rollback or a reopened preview)."""

    GENERATE = "generate"
    UPLOAD = "upload"
    URL = "url"
    IMPORT = "import"
    EXISTING = "existing"


class ParentReason(StrEnum):
    """Why a run follows its parent run."""

    REJECTED = "rejected"
    RETRY = "retry"
    REOPEN = "reopen"
    ROLLBACK = "rollback"


class SettingSource(StrEnum):
    """Where an effective setting comes from, highest precedence first. Style and characters come from the segment and
    from the project together."""

    OVERRIDE = "override"
    SEGMENT = "segment"
    PROJECT = "project"
    PROJECT_VIDEO = "project.video"
    PROJECT_IMAGE = "project.image"
    PROJECT_NARRATION = "project.narration"
    PROJECT_MUSIC = "project.music"
    EXISTING = "existing"
    GUESSED = "guessed"
    DEFAULT = "default"


class CaptionMode(StrEnum):
    """none: no captions; soft: a track that the viewer turns on; burned: in the picture."""

    NONE = "none"
    SOFT = "soft"
    BURNED = "burned"


class ObjectRef(Value):
    """A stored object. `bucket` is logical: the name of the service that owns it."""

    bucket: str = Field(description="The service that owns the object.")
    key: str = Field(description="The object's key within the bucket.")
    size: int = Field(description="Size in bytes.")
    sha256: str = Field(description="SHA-256 of the contents, as 64 hexadecimal digits.")
    content_type: str = Field(description="Media type, for example `video/mp4`.")


def _is_absent(value: object) -> bool:
    return value is None


class Setting(Value):
    """An effective setting of a run, and where its value comes from."""

    value: Any = Field(description="The value, of the type that the model's settings schema states.")
    source: SettingSource = Field(description="Where it comes from.")
    confidence: float | None = Field(
        None, exclude_if=_is_absent, description="How sure a guessed value is, from 0 to 1; only of guessed values."
    )


class LanguageGuess(Value):
    """The language that a narration without the setting `language` is spoken in, decided over its episode."""

    language: str = Field(description="A BCP 47 tag, for example `de`.")
    confidence: float = Field(ge=0, le=1, description="How sure it is.")


Settings = dict[str, Setting]


class Media(Value):
    """Technical metadata as probed from the file, never as requested. A value that does not apply is null."""

    width: int | None = Field(None, description="Width in pixels, after rotation.")
    height: int | None = Field(None, description="Height in pixels, after rotation.")
    duration_s: float | None = Field(None, description="Duration in seconds.")
    fps: float | None = Field(None, description="Frames per second.")
    frame_rate: str | None = Field(None, description="The same, exact, as a fraction: 24000/1001.")
    frames: int | None = Field(None, description="Number of frames.")
    variable_rate: bool | None = Field(
        None, description="Whether frames are elsewhere than at multiples of the rate; null: unknown, or no frames."
    )
    aspect_ratio: str | None = Field(None, description="For example `16:9`.")
    resolution: str | None = Field(None, description="Width and height, for example `1920x1080`.")
    video_codec: str | None = Field(None, description="For example `h264`.")
    audio_codec: str | None = Field(None, description="For example `aac`; null without sound.")
    sample_rate: int | None = Field(None, description="Audio samples per second.")
    channels: int | None = Field(None, description="Number of audio channels.")
    loudness_lufs: float | None = Field(None, description="Integrated loudness in LUFS (EBU R 128).")


class QualityEvent(Value):
    """A part of a video that is worth a look, as the decoding pass measured it."""

    kind: Literal["black", "frozen", "flash", "cut"] = Field(
        description="Black or unmoving pictures, more than three flashes in a second, or a cut within the shot."
    )
    start: float = Field(description="Seconds from the video's start.")
    end: float = Field(description="Seconds; a cut ends where it starts.")
    value: float | None = Field(
        None, description="flash: the most in any second of it; cut: how different the pictures are (0-100)."
    )


class Quality(Value):
    """Scores from 0 to 1, measured from the media. What was not measured is null, with the reason."""

    overall_score: float | None = Field(None, description="Weighted mean of the other two scores.")
    consistency_score: float | None = Field(
        None, description="Similarity to the starting image and to the neighbouring segment."
    )
    visual_quality: float | None = Field(None, description="Sharpness, compression artefacts, flicker, dead frames.")
    measures: dict[str, float | None] = Field({}, description="Each measure by name, in its own unit.")
    reasons: dict[str, str] = Field({}, description="Measure or score -> why it is null.")
    events: list[QualityEvent] = Field([], description="The first 100 of each kind, in the order of their starts.")


class UnknownCharge(Value):
    """What providers may charge for calls that were stopped, and have not told."""

    calls: int = Field(description="Number of calls whose charge is not known.")
    at_most: str = Field(
        description="The price of these calls, had they finished; a decimal number as a string.", examples=["0.36"]
    )
    reason: str = Field(description="Why it is not known, as a sentence for users.")


class Cost(Value):
    """What the provider calls of a run or version cost."""

    amount: str = Field(
        description="Decimal number as a string; without the calls whose charge is `unknown`.", examples=["0.36"]
    )
    currency: str = Field("USD", description="ISO 4217 code.")
    basis: Literal["reported", "estimated"] = Field(
        "estimated", description="`reported` by the provider, or `estimated` from the catalogue's price."
    )
    calls: int = Field(0, description="Number of provider calls.")
    unknown: UnknownCharge | None = Field(
        None, description="Calls whose charge is not known; told again once it is. Null: all is known."
    )


class Problem(Value):
    """What failed, why, and what the user can do about it."""

    code: str = Field(description="Stable identifier of the error.")
    cause: str = Field(description="What happened, as a sentence for users.")
    recovery: str = Field(description="What to do about it, as a sentence for users.")
    retryable: bool = Field(description="Whether repeating the same request can succeed.")
    provider_code: str | None = Field(None, description="The provider's own error code.")


class Actor(Value):
    """Who caused an event: a user, a policy such as `auto_approve`, or Retake itself."""

    kind: Literal["user", "policy", "system"] = Field(description="Who it was.")
    user_id: str | None = Field(None, description="Set for users, and for a policy that a user chose.")


class OutputDifference(Value):
    """What a model was asked for and what it made, where the two are not the same."""

    field: Literal["duration", "resolution", "aspect_ratio", "fps"] = Field(description="What differs.")
    asked: str | float = Field(description="Seconds, frames per second, `1280x720` or `16:9`.")
    made: str | float = Field(description="As probed, in the same form; of a shape also `1.81:1`.")


class Version(Value):
    """An immutable result of a run."""

    version_id: str = Field(description="The version.")
    version_number: int = Field(description="Counts the versions of the asset, from 1.")
    object: ObjectRef = Field(description="The media file.")
    poster: ObjectRef | None = Field(None, description="A still picture of a video.")
    filmstrip: ObjectRef | None = Field(None, description="Small pictures of a video, side by side.")
    proxy: ObjectRef | None = Field(
        None, description="A copy that browsers can play, where the file itself is not one."
    )
    last_frame: ObjectRef | None = Field(
        None, description="A small picture of a video's last frame, to compare the next segment with."
    )
    media: Media = Field(description="The media file as probed.")
    quality: Quality | None = Field(None, description="How the media measure; null: they were not measured.")
    directions: str = Field(description="The user's directions, prompt or script, without style and characters.")
    model: str | None = Field(None, description="Slug in the model catalogue; null for uploads and imports.")
    provider: str = Field(description="Who made it; `upload` for files of users.")
    seed: int | None = Field(None, description="Its random seed; null: its model takes none, or no model made it.")
    starting_image_version_id: str | None = Field(None, description="The starting image that a video was made from.")
    settings: Settings = Field({}, description="The effective settings by name.")
    cost: Cost = Field(description="What making this version cost.")
    differences: list[OutputDifference] = Field(
        [], description="Where the media are not what the model was asked for, by a frame or more."
    )
    info: dict[str, Any] = Field({}, description="Facts from the provider, such as `animatic: true` or word timings.")


class Output(Value):
    """The picture format of a film."""

    width: int = Field(1920, ge=16, le=3840, description="Width in pixels.")
    height: int = Field(1080, ge=16, le=3840, description="Height in pixels.")
    fps: int = Field(24, ge=12, le=60, description="Frames per second, rounded up: see `frame_rate`.")
    fit: Fit = Field(Fit.BLUR, description="How media of another aspect ratio fill the frame.")
    frame_rate: str | None = Field(
        None, description="The exact rate where it is not `fps`: 24000/1001, 30000/1001 or 60000/1001."
    )

    @model_validator(mode="before")
    @classmethod
    def _exact(cls, data: Any) -> Any:
        """A rate may be given as `fps` (also 23.976) or as `frame_rate` (also 24/1); both must agree."""
        if not isinstance(data, Mapping):
            return data
        number, exact = data.get("fps"), data.get("frame_rate")
        if isinstance(exact, str):
            rate = exact_rate(exact)
            if _is_number(number) and exact_rate(number) not in (rate, nominal_rate(rate)):
                raise ValueError(f"fps {number} and frame_rate {exact} contradict each other")
        elif _is_number(number):
            rate = exact_rate(number)
        else:
            return data
        if rate.denominator != 1 and rate not in NTSC:
            return data
        return {**data, "fps": nominal_rate(rate), "frame_rate": None if rate.denominator == 1 else str(rate)}

    @property
    def rate(self) -> Fraction:
        """Frames per second, exact."""
        return Fraction(self.frame_rate) if self.frame_rate else Fraction(self.fps)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class Transition(Value):
    """The transition between two segments."""

    style: TransitionStyle = Field(description="How one segment becomes the next.")
    duration_s: float = Field(0.5, ge=0, le=5, description="Duration in seconds; ignored for cuts.")


class Character(Value):
    """A character of the project's cast, described to every model that generates pictures."""

    name: str = Field(description="What the directions call the character.")
    description: str = Field("", description="What the character looks like.")
    reference_images: list[ObjectRef] = Field([], description="Pictures of the character, for models that take them.")


class SpendCap(Value):
    """What the runs of a project may cost."""

    amount: str = Field(description="Decimal number as a string.")
    currency: str = Field("USD", description="ISO 4217 code.")
    period: Literal["month", "total"] = Field(
        "month", description="What the amount is for: each calendar month (UTC), or all time."
    )


class ProjectSettings(Value):
    """A project's defaults as they were when the run was admitted."""

    video: dict[str, Any] = Field({}, description="Setting -> default of videos.")
    image: dict[str, Any] = Field({}, description="Setting -> default of starting images and images.")
    narration: dict[str, Any] = Field({}, description="Setting -> default of narrations.")
    music: dict[str, Any] = Field({}, description="Setting -> default of music.")
    output: Output = Field(Output(), description="The picture format of its films.")
    style: str | None = Field(None, description="Added to the prompts of pictures and videos.")
    characters: list[Character] = Field([], description="The project's cast.")
    spend_cap: SpendCap | None = Field(None, description="What its runs may cost; null: no limit.")


class NarrationMix(Value):
    """How a segment's narration is placed and mixed."""

    gain_db: float = Field(0.0, description="Gain in dB.")
    offset: float = Field(0.0, description="Seconds from the segment's start.")


class AudioConfig(Value):
    """The sound mix of a film."""

    background_music: StrictBool = Field(True, description="Whether the episode's music is heard.")
    volume_normalization: StrictBool = Field(True, description="Whether the mix is normalised to `loudness_lufs`.")
    loudness_lufs: float = Field(
        -16, description="Target loudness: -14 for the web, -16 by default, -23 for broadcast."
    )
    true_peak_dbtp: float = Field(-1, description="Highest permitted true peak in dBTP.")
    segment_sound: Literal["keep", "lower", "mute"] = Field(
        "lower", description="What happens to the segments' own sound."
    )
    narration: dict[str, NarrationMix] = Field({}, description="Segment id -> mix.")
    music_gain_db: float = Field(0.0, description="Gain of the music in dB.")


class Ref(Value):
    """The run and asset that an event is about."""

    run_id: str = Field(description="The run.")
    asset_id: str = Field(description="The asset of the run; it is the key of the record.")
    asset_kind: AssetKind = Field(description="What the asset holds.")
    episode_id: str = Field(description="The episode of the asset.")
    segment_id: str | None = Field(None, description="Null for assets of the episode, such as its music.")
    segment_number: int | None = Field(None, description="Position of the segment, from 1.")


Timestamp = datetime
