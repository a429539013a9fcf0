"""`retake compile` and `retake films`: compile the film of an episode; list, show, download and rate films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import formatting
from client.cli.command import command
from client.cli.estimates import DryRun, report_estimate
from client.cli.exit_codes import UsageError
from client.cli.film_options import FilmOptions, FilmSettings
from client.cli.follow import watch_episode
from client.cli.lookup import find_episode
from client.cli.options import EpisodeOption, Force, ProjectOption, SubjectEpisode, check_output_file
from client.cli.screen import transfer
from client.cli.session import Session
from client.film_workflow import compile_film, download_film
from client.models import Compilation, Episode

app = typer.Typer(no_args_is_help=True, help="Films: list, show, download, rate; cancel a compilation.")
FilmId = Annotated[
    str | None, typer.Argument(metavar="FILM", help="Id of the film.  [default: the newest of the episode]")
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Download the film to this file."),
]


@command
async def compile_(
    session: Session,
    episode: SubjectEpisode = None,
    output: OutputOption = None,
    segments: FilmOptions.Segments = None,
    transition: FilmOptions.Transition = None,
    at: FilmOptions.At = None,
    no_music: FilmOptions.NoMusic = False,
    loudness: FilmOptions.Loudness = -16,
    sound: FilmOptions.Sound = None,
    music_gain: FilmOptions.MusicGain = None,
    no_normalization: FilmOptions.NoNormalization = False,
    true_peak: FilmOptions.TruePeak = None,
    narration_gain: FilmOptions.NarrationGain = None,
    narration_offset: FilmOptions.NarrationOffset = None,
    captions: FilmOptions.Captions = None,
    force: Force = False,
    dry_run: DryRun = False,
    project: ProjectOption = None,
) -> None:
    """Compile the committed versions of an episode into a film.

    Examples:

    * `retake compile -o film.mp4`
    * `retake compile --segments 1,3,2 --transition fade`
    * `retake compile --at 1=dissolve:0.8 --captions burned --loudness -14`
    """
    settings = FilmSettings(
        segments, transition, at, no_music, loudness, sound, music_gain, captions, no_normalization, true_peak,
        narration_gain, narration_offset,
    )  # fmt: skip
    if output:
        check_output_file(output, force=force)
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        fields = settings.fields(found)
        if dry_run:
            wanted = {name: fields.get(name) for name in ("segment_ids", "transition_style", "transitions")}
            report_estimate(session, await client.films.estimate(found.id, **wanted))
            return
        async with watch_episode(session, client, found) as (watcher, _):
            started, film = await compile_film(client, watcher, **fields)
        for number in _left_out(found, started.left_out):
            session.warn(f"Segment {number} is left out: it has no committed version.")
        if output:
            await save_film(session, client, found, film, output)
            return
    session.line(
        f"The film is ready: {formatting.clock(film.output_duration)}, {formatting.size(film.output_file_size)}",
        style="green",
    )
    if film.output_video_url:
        session.line(film.output_video_url, style="underline")
    session.emit(film)


@app.command("list")
@command
async def list_(session: Session, episode: SubjectEpisode = None, project: ProjectOption = None) -> None:
    """List the films of an episode, newest first."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        films = await client.films.all(found.id)
    if not session.as_json:
        table = formatting.table("=Film", "Status", "Duration", "Size", "#Segments", "Rating", "Age")
        for film in films:
            table.add_row(
                film.id,
                formatting.state(film.status),
                formatting.clock(film.output_duration),
                formatting.size(film.output_file_size),
                str(film.segments_included or ""),
                "★" * (film.rating or 0),
                formatting.ago(film.created_at),
            )
        if films:
            session.table(table)
        else:
            session.line("No films yet. Compile one with `retake compile`.")
    session.emit({"episode_id": found.id, "films": films})


@app.command("show")
@command
async def show(
    session: Session, film: FilmId = None, episode: EpisodeOption = None, project: ProjectOption = None
) -> None:
    """Show the format, loudness, chapters, warnings and address of a film."""
    async with session.connect() as client:
        found = await find_film(client, film, episode, project)
    if not session.as_json:
        _print(session, found)
    session.emit(found)


@app.command("download")
@command
async def download(
    session: Session,
    film: FilmId = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="File to write."),
    ] = Path("film.mp4"),
    force: Force = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Download a film; a broken connection is resumed."""
    check_output_file(output, force=force)
    async with session.connect() as client:
        found = await find_film(client, film, episode, project)
        if found.status != "completed":
            raise UsageError(f"This film is {found.status}.", "See the completed films: retake films list")
        its_episode = await client.episodes.get(found.episode_id or "")
        await save_film(session, client, its_episode, found, output)


@app.command("rate")
@command
async def rate(
    session: Session,
    rating: Annotated[int, typer.Argument(metavar="1-5", min=1, max=5, help="Rating, 5 is best.")],
    film: FilmId = None,
    feedback: Annotated[str | None, typer.Option("--feedback", metavar="TEXT", help="Reason for the rating.")] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Rate a film."""
    async with session.connect() as client:
        found = await find_film(client, film, episode, project)
        found = await client.films.rate(found.id, rating, feedback)
    session.line(f"Rated {'★' * rating}", style="green")
    session.emit(found)


@app.command("cancel")
@command
async def cancel(
    session: Session, film: Annotated[str, typer.Argument(metavar="FILM", help="Id of the film.")]
) -> None:
    """Cancel a compilation that is still running."""
    async with session.connect() as client:
        found = await client.films.cancel(film)
    session.line(f"Film {found.id}: {found.status}")
    session.emit(found)


async def find_film(client: AsyncRetake, film: str | None, episode: str | None, project: str | None) -> Compilation:
    """The film of this id, else the newest completed film of the episode. Raises UsageError if there is none."""
    if film is not None:
        return await client.films.get(film)
    found = await find_episode(client, episode, project)
    async for candidate in client.films.all(found.id):
        if candidate.status == "completed":
            return candidate
    raise UsageError(f"{found.title!r} has no film yet.", "Compile one with `retake compile`.")


async def save_film(session: Session, client: AsyncRetake, episode: Episode, film: Compilation, output: Path) -> None:
    """Download a film and report it."""
    with transfer(session, output.name) as on_progress:
        size = await download_film(client, film, output, on_progress)
    loudness = f", {film.loudness_lufs:.1f} LUFS" if film.loudness_lufs is not None else ""
    facts = f"{formatting.clock(film.output_duration)}, {film.resolution or ''}, {formatting.size(size)}{loudness}"
    session.line(f"{output}: {facts}", style="bold green")
    if film.photosensitivity_warning:
        session.warn(film.photosensitivity_warning)
    session.emit(
        {
            "film": str(output.absolute()),
            "duration": film.output_duration,
            "size": size,
            "resolution": film.resolution,
            "fps": film.fps,
            "loudness_lufs": film.loudness_lufs,
            "segments_included": film.segments_included,
            "warnings": film.warnings,
            "photosensitivity_warning": film.photosensitivity_warning,
            "project_id": episode.project_id,
            "episode_id": episode.id,
            "compilation_job_id": film.id,
        }
    )


def film_warnings(film: Compilation) -> list[str]:
    return [str(w.get("message", w) if isinstance(w, dict) else w) for w in film.warnings]


def _print(session: Session, film: Compilation) -> None:
    session.line(f"Film {film.id}: {film.status}", style="bold")
    if film.error_message:
        session.line(f"{film.error_message} {film.recovery or ''}".strip(), style="red")
    queue = f"position {film.queue_position} in the queue" if film.queue_position else None
    loudness = f"{film.loudness_lufs:.1f} LUFS" if film.loudness_lufs is not None else None
    peak = f"peak {film.true_peak_dbtp:.1f} dBTP" if film.true_peak_dbtp is not None else None
    rate = f"{film.fps:g} fps" if film.fps else None
    file = (formatting.clock(film.output_duration), film.resolution, rate, formatting.size(film.output_file_size))
    for facts in ((queue, film.message), file if film.output_duration else (), (loudness, peak)):
        if line := " · ".join(str(f) for f in facts if f):
            session.line(line)
    for chapter in film.chapters or []:
        session.say(Text(f"  {formatting.clock(chapter.get('start'))}  {chapter.get('title')}"))
    for warning in film_warnings(film):
        session.warn(warning)
    if film.photosensitivity_warning:
        session.warn(film.photosensitivity_warning)
    if film.output_video_url:
        session.line(film.output_video_url, style="underline")


def _left_out(episode: Episode, left_out: list[object]) -> list[object]:
    """The numbers of segments that are given by id or by an object with `segment_id`."""
    numbers = {s.id: s.segment_number for s in episode.segments}
    ids = [item.get("segment_id") if isinstance(item, dict) else item for item in left_out]
    return [numbers.get(str(i), i) for i in ids]
