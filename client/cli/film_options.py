"""The options of a compilation, shared by `retake compile` and `retake render`."""

from __future__ import annotations

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

    def __post_init__(self) -> None:
        _check_choice("--transition", self.transition, STYLES)
        if self.loudness not in LOUDNESS:
            raise UsageError(f"--loudness {self.loudness} is not supported.", "Choose -16, -14 or -23.")
        _check_choice("--sound", self.sound, ("keep", "lower", "mute"))
        _check_choice("--captions", self.captions, ("none", "soft", "burned"))

    def fields(self, episode: Episode) -> dict[str, Any]:
        """The arguments of `batches.render` and `films.create`."""
        audio = {"background_music": not self.no_music, "loudness_lufs": self.loudness, "segment_sound": self.sound,
                 "music_gain_db": self.music_gain}  # fmt: skip
        return {
            "segment_ids": parse_segments(episode, self.segments),
            "transition_style": self.transition,
            "transitions": [_parse_boundary(episode, text) for text in self.at or []] or None,
            "audio_config": {k: v for k, v in audio.items() if v is not None},
            "captions": self.captions,
        }


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
