"""The sound of a film in requests; its limits are narrower than those of films that were requested earlier."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from services.gateway.api.schemas.base import Body, Decibels, Flag, GivenId, Number
from shared.contracts import values

LOUDNESS: Final = (-23, -16, -14)


def _supported(loudness: float) -> float:
    if loudness not in LOUDNESS:
        raise ValueError("must be -14 (web), -16 or -23 (broadcast)")
    return loudness


Loudness = Annotated[
    Number,
    AfterValidator(_supported),
    Field(
        description="Integrated loudness in LUFS: -14 for the web, -16 by default, -23 for broadcast.",
        json_schema_extra={"type": "integer", "enum": [*LOUDNESS]},
    ),
]


class NarrationMix(Body):
    """How the narration of a segment is mixed."""

    gain_db: Decibels = Field(0.0, description="Gain in dB.")
    offset: Number = Field(0.0, ge=-60, le=3600, description="Seconds from the start of the segment.")


class AudioConfig(Body):
    """The sound of a film."""

    background_music: Flag = Field(True, description="Whether the film has the episode's music.")
    volume_normalization: Flag = Field(True, description="Whether the film is normalised to `loudness_lufs`.")
    loudness_lufs: Loudness = -16
    true_peak_dbtp: Number = Field(-1.0, ge=-9, le=0, description="The greatest true peak of the film, in dBTP.")
    segment_sound: Literal["keep", "lower", "mute"] = Field(
        "lower", description="Whether the videos' own sound is kept, lowered below the narration, or muted."
    )
    narration: dict[GivenId, NarrationMix] = Field(
        {}, max_length=500, description="How narrations are mixed, by segment id."
    )
    music_gain_db: Decibels = Field(0.0, description="Gain of the music in dB.")

    def value(self) -> values.AudioConfig:
        return values.AudioConfig(**self.model_dump())
