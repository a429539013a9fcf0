"""`retake compile`: a film of what is committed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.film import report
from client.cli.options import EpisodeArgument, ProjectOption
from client.cli.plan import STYLES
from client.cli.screen import Screen, transfer
from client.cli.session import Session
from client.cli.targets import find_episode
from client.live import Live
from client.models import Episode
from client.production import compile_film, download_film


@command
async def compile_(
    session: Session,
    episode: EpisodeArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Download the film. It is overwritten.")
    ] = None,
    segments: Annotated[
        str | None, typer.Option("--segments", metavar="1,3,2", help="These, in this order.  [default: all committed]")
    ] = None,
    transition: Annotated[
        str | None, typer.Option("--transition", help="cut, fade or dissolve.  [default: each segment's own, else cut]")
    ] = None,
    no_music: Annotated[bool, typer.Option("--no-music", help="Without the music.")] = False,
    loudness: Annotated[int, typer.Option("--loudness", metavar="LUFS", help="-16, -14 or -23.")] = -16,
    project: ProjectOption = None,
) -> None:
    """Make the film of an episode's committed versions, and download it."""
    if transition is not None and transition not in STYLES:
        raise UsageError(f"{transition!r} is no transition.", f"Choose one of: {', '.join(STYLES)}.")
    if loudness not in (-14, -16, -23):
        raise UsageError(f"--loudness {loudness} is not supported.", "Choose -16, -14 or -23.")
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        with Screen(session) as screen:
            async with Live(
                client, found.project_id or "", found, on_change=screen.update, on_connection=screen.connection
            ) as live:
                screen.update(live.board, None)
                started, film = await compile_film(
                    client,
                    live,
                    segment_ids=_chosen(found, segments),
                    transition_style=transition,
                    audio_config={"background_music": not no_music, "loudness_lufs": loudness},
                )
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


def _chosen(episode: Episode, given: str | None) -> list[str] | None:
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
