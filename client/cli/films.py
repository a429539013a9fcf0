"""`retake films`: what was compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.film import report
from client.cli.options import EpisodeArgument, EpisodeOption, ProjectOption
from client.cli.screen import transfer
from client.cli.session import Session
from client.cli.targets import find_episode
from client.models import Compilation
from client.production import download_film

app = typer.Typer(no_args_is_help=True, help="Films: list, show, download, rate; cancel a compilation.")
FilmId = Annotated[str | None, typer.Argument(metavar="FILM", help="Its id.  [default: the episode's newest]")]


@app.command("list")
@command
async def list_(session: Session, episode: EpisodeArgument = None, project: ProjectOption = None) -> None:
    """List an episode's compilations, newest first."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        films = await client.compilations.all(found.id)
    if not session.as_json:
        table = show.table("=Film", "State", "Length", "Size", "#Segments", "Rating", "Age")
        for film in films:
            stars = "★" * film.rating if film.rating else ""
            table.add_row(
                film.id, show.state(film.status), show.clock(film.output_duration), show.size(film.output_file_size),
                str(film.segments_included or ""), stars, show.ago(film.created_at),
            )  # fmt: skip
        if films:
            session.table(table)
        else:
            session.line("No films yet. Make one with `retake compile`.")
    session.emit({"episode_id": found.id, "films": films})


@app.command("show")
@command
async def show_(
    session: Session, film: FilmId = None, episode: EpisodeOption = None, project: ProjectOption = None
) -> None:
    """Show a film: its size, sound, chapters, warnings, and where it plays."""
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
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to. It is overwritten.")] = Path(
        "film.mp4"
    ),
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Download a film; a broken connection is resumed."""
    if not output.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {output.absolute().parent}.", "Make it, or choose another -o.")
    async with session.connect() as client:
        found = await find_film(client, film, episode, project)
        if found.status != "completed":
            raise UsageError(f"This film is {found.status}.", "`retake films list` shows those that are completed.")
        whose = await client.episodes.get(found.episode_id or "")
        with transfer(session, output.name) as told:
            size = await download_film(client, found, output, told)
    report(session, whose, found, output, size)


@app.command("rate")
@command
async def rate(
    session: Session,
    rating: Annotated[int, typer.Argument(metavar="1-5", min=1, max=5, help="How good it is.")],
    film: FilmId = None,
    feedback: Annotated[str | None, typer.Option("--feedback", metavar="TEXT", help="Why.")] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Rate a film."""
    async with session.connect() as client:
        found = await find_film(client, film, episode, project)
        found = await client.compilations.rate(found.id, rating, feedback)
    session.line(f"Rated {'★' * rating}", style="green")
    session.emit(found)


@app.command("cancel")
@command
async def cancel(session: Session, film: Annotated[str, typer.Argument(metavar="FILM", help="Its id.")]) -> None:
    """Stop a compilation that is under way."""
    async with session.connect() as client:
        found = await client.compilations.cancel(film)
    session.line(f"Film {found.id}: {found.status}")
    session.emit(found)


async def find_film(client: AsyncRetake, given: str | None, episode: str | None, project: str | None) -> Compilation:
    """By id; the episode's newest that is completed if nothing is said."""
    if given is not None:
        return await client.compilations.get(given)
    found = await find_episode(client, episode, project)
    async for film in client.compilations.all(found.id):
        if film.status == "completed":
            return film
    raise UsageError(f"{found.title!r} has no film yet.", "Make one with `retake compile`.")


def _print(session: Session, film: Compilation) -> None:
    session.line(f"Film {film.id}: {film.status}", style="bold")
    if film.error_message:
        session.line(f"{film.error_message} {film.recovery or ''}".strip(), style="red")
    where = f"place {film.queue_position} in the queue" if film.queue_position else None
    loudness = f"{film.loudness_lufs:.1f} LUFS" if film.loudness_lufs is not None else None
    peak = f"peak {film.true_peak_dbtp:.1f} dBTP" if film.true_peak_dbtp is not None else None
    length = show.clock(film.output_duration) if film.output_duration else None
    made = (length, film.resolution, f"{film.fps:g} fps" if film.fps else None, show.size(film.output_file_size))
    for facts in ((where, film.message), made if film.output_duration else (), (loudness, peak)):
        if line := " · ".join(str(f) for f in facts if f):
            session.line(line)
    for chapter in film.chapters or []:
        session.say(Text(f"  {show.clock(chapter.get('start'))}  {chapter.get('title')}"))
    for warning in film.warnings:
        session.warn(str(warning.get("message", warning) if isinstance(warning, dict) else warning))
    if film.output_video_url:
        session.line(film.output_video_url, style="underline")
