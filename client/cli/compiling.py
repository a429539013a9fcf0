"""`retake compile`: a film of what is committed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.film import report
from client.cli.options import EpisodeArgument, ProjectOption
from client.cli.plan import STYLES
from client.cli.screen import Screen, transfer
from client.cli.segments import parse_transition
from client.cli.session import Session
from client.cli.targets import find_episode
from client.live import Live
from client.models import Episode
from client.production import compile_film, download_film


class FilmOptions:
    """What a film is to be like: shared by the commands that make one."""

    Segments = Annotated[
        str | None, typer.Option("--segments", metavar="1,3,2", help="These, in this order.  [default: all committed]")
    ]
    Transition = Annotated[
        str | None, typer.Option("--transition", help="cut, fade or dissolve.  [default: each segment's own, else cut]")
    ]
    At = Annotated[
        list[str] | None,
        typer.Option("--at", metavar="N=STYLE[:SECONDS]", help="After segment N: 2=dissolve:0.8. May be repeated."),
    ]
    NoMusic = Annotated[bool, typer.Option("--no-music", help="Without the music.")]
    Loudness = Annotated[int, typer.Option("--loudness", metavar="LUFS", help="-16, -14 (web) or -23 (broadcast).")]
    Sound = Annotated[str | None, typer.Option("--sound", help="Of the segments: keep, lower or mute.")]
    MusicGain = Annotated[float | None, typer.Option("--music-gain", metavar="DB", help="Louder or softer.")]
    Captions = Annotated[
        str | None, typer.Option("--captions", help="none, soft (can be switched on) or burned (in the picture).")
    ]


@dataclass(frozen=True)
class FilmWish:
    """What was said with FilmOptions. Raises UsageError for what cannot be meant."""

    segments: str | None
    transition: str | None
    at: list[str] | None
    no_music: bool
    loudness: int
    sound: str | None
    music_gain: float | None
    captions: str | None

    def __post_init__(self) -> None:
        if self.transition is not None and self.transition not in STYLES:
            raise UsageError(f"{self.transition!r} is no transition.", f"Choose one of: {', '.join(STYLES)}.")
        if self.loudness not in (-14, -16, -23):
            raise UsageError(f"--loudness {self.loudness} is not supported.", "Choose -16, -14 or -23.")
        _check_choice("--sound", self.sound, ("keep", "lower", "mute"))
        _check_choice("--captions", self.captions, ("none", "soft", "burned"))

    def of(self, episode: Episode) -> dict[str, Any]:
        """As `batches.render` and `films.create` take it."""
        audio = {"background_music": not self.no_music, "loudness_lufs": self.loudness, "segment_sound": self.sound,
                 "music_gain_db": self.music_gain}  # fmt: skip
        return {
            "segment_ids": chosen(episode, self.segments),
            "transition_style": self.transition,
            "transitions": [_boundary(episode, each) for each in self.at or []] or None,
            "audio_config": {k: v for k, v in audio.items() if v is not None},
            "captions": self.captions,
        }


@command
async def compile_(
    session: Session,
    episode: EpisodeArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Download the film. It is overwritten.")
    ] = None,
    segments: FilmOptions.Segments = None,
    transition: FilmOptions.Transition = None,
    at: FilmOptions.At = None,
    no_music: FilmOptions.NoMusic = False,
    loudness: FilmOptions.Loudness = -16,
    sound: FilmOptions.Sound = None,
    music_gain: FilmOptions.MusicGain = None,
    captions: FilmOptions.Captions = None,
    project: ProjectOption = None,
) -> None:
    """Make the film of an episode's committed versions, and download it.

    Examples:

    * `retake compile -o film.mp4`
    * `retake compile --segments 1,3,2 --transition fade`
    * `retake compile --at 1=dissolve:0.8 --captions burned --loudness -14`
    """
    wish = FilmWish(segments, transition, at, no_music, loudness, sound, music_gain, captions)
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        fields = wish.of(found)
        with Screen(session) as screen:
            async with Live(
                client, found.project_id or "", found, on_change=screen.update, on_connection=screen.connection
            ) as live:
                screen.update(live.board, None)
                started, film = await compile_film(client, live, **fields)
        for number in _left_out(found, started.left_out):
            session.warn(f"Segment {number} is left out: nothing of it is committed.")
        if output:
            with transfer(session, output.name) as told:
                size = await download_film(client, film, output, told)
            report(session, found, film, output, size)
            return
    session.line(
        f"The film is ready: {show.clock(film.output_duration)}, {show.size(film.output_file_size)}", style="green"
    )
    if film.output_video_url:
        session.line(film.output_video_url, style="underline")
    session.emit(film)


def _boundary(episode: Episode, given: str) -> dict[str, Any]:
    number, equals, style = given.partition("=")
    segment = episode.segment(int(number)) if number.isdigit() else None
    if not equals or segment is None:
        raise UsageError(f"--at {given!r} names no segment.", "Write it as --at 2=dissolve:0.8.")
    return {"after_segment_id": segment.id, **(parse_transition(style) or {"style": "cut", "duration": 0.0})}


def _check_choice(option: str, given: str | None, choices: tuple[str, ...]) -> None:
    if given is not None and given not in choices:
        raise UsageError(f"{option} {given!r} is not known.", f"Choose one of: {', '.join(choices)}.")


def chosen(episode: Episode, given: str | None) -> list[str] | None:
    if given is None:
        return None
    chosen = []
    for text in given.split(","):
        segment = episode.segment(int(text)) if text.strip().isdigit() else None
        if segment is None:
            raise UsageError(f"There is no segment {text.strip()!r}.", f"There are 1 to {len(episode.segments)}.")
        chosen.append(segment.id)
    return chosen


def _left_out(episode: Episode, left_out: list[object]) -> list[object]:
    """The numbers of segments that are named by id or by an object with one."""
    numbers = {s.id: s.segment_number for s in episode.segments}
    ids = [item.get("segment_id") if isinstance(item, dict) else item for item in left_out]
    return [numbers.get(str(i), i) for i in ids]
