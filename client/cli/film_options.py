"""The options of a compilation, shared by `retake compile` and `retake render`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from client.cli.exit_codes import UsageError
from client.cli.film_plan import STYLES
from client.cli.segments import parse_transition
from client.models import Episode

LOUDNESS = (-14, -16, -23)


class FilmOptions:
    Segments = Annotated[
        str | None,
        typer.Option("--segments", metavar="1,3,2", help="Segments, in this order.  [default: all committed]"),
    ]
    Transition = Annotated[
        str | None,
        typer.Option(
            "--transition", help="cut, fade or dissolve, everywhere.  [default: each segment's own, else cut]"
        ),
    ]
    At = Annotated[
        list[str] | None,
        typer.Option(
            "--at", metavar="N=STYLE[:SECONDS]", help="Transition after segment N, such as 2=dissolve:0.8; repeatable."
        ),
    ]
    NoMusic = Annotated[bool, typer.Option("--no-music", help="Leave the music out.")]
    Loudness = Annotated[int, typer.Option("--loudness", metavar="LUFS", help="-16, -14 (web) or -23 (broadcast).")]
    NoNormalization = Annotated[
        bool, typer.Option("--no-normalization", help="Keep the sound as loud as it is, whatever --loudness says.")
    ]
    TruePeak = Annotated[
        float | None,
        typer.Option("--true-peak", metavar="DBTP", help="Greatest true peak, -9 to 0.  [default: -1]", min=-9, max=0),
    ]
    NarrationGain = Annotated[
        list[str] | None,
        typer.Option(
            "--narration-gain",
            metavar="[N=]DB",
            help="Gain of the narration, of segment N or of every segment, such as 2=-3; repeatable.",
        ),
    ]
    NarrationOffset = Annotated[
        list[str] | None,
        typer.Option(
            "--narration-offset",
            metavar="[N=]SECONDS",
            help="Start of the narration, from the start of segment N or of every segment; repeatable.",
        ),
    ]
    Sound = Annotated[str | None, typer.Option("--sound", help="Original sound of the segments: keep, lower or mute.")]
    MusicGain = Annotated[float | None, typer.Option("--music-gain", metavar="DB", help="Gain of the music.")]
    Captions = Annotated[
        str | None,
        typer.Option("--captions", help="none, soft (a subtitle track) or burned (drawn into the picture)."),
    ]


@dataclass(frozen=True)
class FilmSettings:
    """The values of FilmOptions. Raises UsageError for unsupported ones."""

    segments: str | None
    transition: str | None
    at: list[str] | None
    no_music: bool
    loudness: int
    sound: str | None
    music_gain: float | None
    captions: str | None
    no_normalization: bool = False
    true_peak: float | None = None
    narration_gain: list[str] | None = None
    narration_offset: list[str] | None = None

    def __post_init__(self) -> None:
        _check_choice("--transition", self.transition, STYLES)
        if self.loudness not in LOUDNESS:
            raise UsageError(f"--loudness {self.loudness} is not supported.", "Choose -16, -14 or -23.")
        _check_choice("--sound", self.sound, ("keep", "lower", "mute"))
        _check_choice("--captions", self.captions, ("none", "soft", "burned"))

    def fields(self, episode: Episode) -> dict[str, Any]:
        """The arguments of `batches.render` and `films.create`."""
        audio = {"background_music": not self.no_music, "loudness_lufs": self.loudness, "segment_sound": self.sound,
                 "volume_normalization": not self.no_normalization, "true_peak_dbtp": self.true_peak,
                 "narration": self._narration(episode) or None, "music_gain_db": self.music_gain}  # fmt: skip
        return {
            "segment_ids": parse_segments(episode, self.segments),
            "transition_style": self.transition,
            "transitions": [_parse_boundary(episode, text) for text in self.at or []] or None,
            "audio_config": {k: v for k, v in audio.items() if v is not None},
            "captions": self.captions,
        }

    def _narration(self, episode: Episode) -> dict[str, dict[str, float]]:
        """The mix of narrations by segment id."""
        gains = _parse_by_segment(episode, self.narration_gain, "--narration-gain")
        offsets = _parse_by_segment(episode, self.narration_offset, "--narration-offset")
        return {
            s.id: {name: by[s.id] for name, by in (("gain_db", gains), ("offset", offsets)) if s.id in by}
            for s in episode.segments
            if s.id in gains or s.id in offsets
        }


def _parse_by_segment(episode: Episode, texts: list[str] | None, option: str) -> dict[str, float]:
    """Values by segment id. One without a number is for every segment that has none of its own.

    Raises UsageError for an unknown segment, and for what is no number.
    """
    general: dict[str, float] = {}
    own: dict[str, float] = {}
    for text in texts or []:
        number, equals, value = text.rpartition("=")
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if not math.isfinite(amount):
            raise UsageError(f"{option} {text!r} is not a number.", f"Write it as {option} -3, or {option} 2=-3.")
        if not equals:
            general = dict.fromkeys((s.id for s in episode.segments), amount)
            continue
        [segment_id] = parse_segments(episode, number if "," not in number else "") or [""]
        own[segment_id] = amount
    return general | own


def parse_segments(episode: Episode, text: str | None) -> list[str] | None:
    """The ids of the segments in `1,3,2`; None for None. Raises UsageError for a number that does not exist."""
    if text is None:
        return None
    ids = []
    for number in text.split(","):
        segment = episode.segment(int(number)) if number.strip().isdigit() else None
        if segment is None:
            raise UsageError(
                f"There is no segment {number.strip()!r}.", f"The segments are numbered 1 to {len(episode.segments)}."
            )
        ids.append(segment.id)
    return ids


def _parse_boundary(episode: Episode, text: str) -> dict[str, Any]:
    number, equals, style = text.partition("=")
    segment = episode.segment(int(number)) if number.isdigit() else None
    if not equals or segment is None:
        raise UsageError(f"--at {text!r} does not name a segment.", "Write it as --at 2=dissolve:0.8.")
    return {"after_segment_id": segment.id, **(parse_transition(style) or {"style": "cut", "duration": 0.0})}


def _check_choice(option: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise UsageError(f"{option} {value!r} is not supported.", f"Choose one of: {', '.join(choices)}.")
