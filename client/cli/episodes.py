"""`retake episode`: make, import, list, show, reorder, change, delete."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.board import Board, Cell
from client.cli import show
from client.cli.ask import confirm
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.compiling import chosen
from client.cli.options import EpisodeArgument, NewProjectOption, ProjectOption, Yes
from client.cli.plan import read_script
from client.cli.screen import percent, transfer
from client.cli.session import Session
from client.cli.targets import find_episode, find_film_project, find_project
from client.models import Episode, Kind, Project
from client.production import follow_import, import_document, upload_pictures
from client.script.document import picture_paths
from client.script.pictures import check

app = typer.Typer(no_args_is_help=True, help="Episodes: make, import, list, show, reorder, change, delete.")


@app.command("import")
@command
async def import_(
    session: Session,
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A script as YAML or JSON, its pictures beside it; or a film.")
    ],
    title: Annotated[str | None, typer.Option("--title", help="Of a film's episode.  [default: its name]")] = None,
    threshold: Annotated[
        float | None, typer.Option("--scene-threshold", min=0, max=1, help="Of a film: lower finds more cuts.")
    ] = None,
    project: NewProjectOption = None,
) -> None:
    """Make an episode of a script, or of an existing film: it is split at its cuts.

    Nothing is generated yet: see `retake generate`.

    Examples:

    * `retake episode import script.yaml`
    * `retake episode import old.mp4 --project Remakes`
    """
    if not source.is_file():
        raise UsageError(f"{source}: there is no such file.", "Name a script or a film.")
    if _is_film(source):
        await _import_film(session, source, title, threshold, project)
    elif title or threshold is not None:
        raise UsageError("--title and --scene-threshold are for films.", "A script has a title of its own.")
    else:
        await _import_script(session, source, project)


def _is_film(source: Path) -> bool:
    """By its name, and, as not every machine knows every name, by not being text."""
    named = (mimetypes.guess_type(source.name)[0] or "").partition("/")[0]
    if named in ("image", "audio"):
        raise UsageError(
            f"{source}: this is {'a picture' if named == 'image' else 'sound'}, not a film or a script.",
            "Name a video file or a script; `retake upload` offers other files as versions.",
        )
    with source.open("rb") as file:
        return named == "video" or b"\0" in file.read(1024)


async def _import_film(
    session: Session, film: Path, title: str | None, threshold: float | None, project: str | None
) -> None:
    async with session.connect() as client:
        where = await find_film_project(client, project)
        with transfer(session, f"Uploading {film.name}") as told:
            sent = await client.uploads.create(where.id, film, on_progress=told)
        start = client.imports.create(where.id, upload_id=sent.id, title=title or film.stem, scene_threshold=threshold)
        with percent(session, f"Splitting {film.name}") as shown:
            episode_id, warnings = await follow_import(client, start, shown)
        await _imported(session, client, where, episode_id, warnings)


async def _import_script(session: Session, script: Path, project: str | None) -> None:
    document, warnings = read_script(script)
    named = picture_paths(document, script)
    pictures = dict(zip(named, check(named.values()), strict=True))
    for warning in warnings:
        session.warn(warning)
    async with session.connect() as client:
        where = await find_film_project(client, project)
        with transfer(session, "Uploading") as told:
            document = await upload_pictures(client, where.id, document, pictures, told)
        episode_id, more = await import_document(client, where.id, document)
        await _imported(session, client, where, episode_id, more, warnings)


async def _imported(
    session: Session,
    client: AsyncRetake,
    where: Project,
    episode_id: str,
    warnings: list[str],
    told: list[str] | None = None,
) -> None:
    """`told` has been warned of already."""
    for warning in warnings:
        session.warn(warning)
    episode = await client.episodes.get(episode_id)
    session.line(f"{episode.title}: {show.count(len(episode.segments), 'segment')}", style="bold green")
    session.line(f"Episode {episode.id} in project {where.name}")
    session.emit({"episode_id": episode.id, "project_id": where.id, "warnings": [*(told or []), *warnings]})


@app.command("new")
@command
async def new(
    session: Session,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Its title.")],
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it tells.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="Of the film, such as 1080x1920.")] = None,
    fps: Annotated[int | None, typer.Option("--fps", help="24, 25, 30, 50 or 60.")] = None,
    project: NewProjectOption = None,
) -> None:
    """Make an empty episode; fill it with `retake segment add`."""
    output = output_of(size, fps)
    async with session.connect() as client:
        where = await find_film_project(client, project)
        made = await client.episodes.create(where.id, title, description=description, output=output or None)
    session.line(f"{made.title}  {made.id}", style="bold green")
    session.emit(made)


@app.command("edit")
@command
async def edit(
    session: Session,
    episode: EpisodeArgument = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="Its new title.")] = None,
    description: Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it tells.")] = None,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="Of the film, such as 1080x1920.")] = None,
    fps: Annotated[int | None, typer.Option("--fps", help="24, 25, 30, 50 or 60.")] = None,
    fit: Annotated[str | None, typer.Option("--fit", help="Pictures of another shape: crop, pad or blur.")] = None,
    project: ProjectOption = None,
) -> None:
    """Change an episode's title, description or film format."""
    output = output_of(size, fps) | ({"fit": fit} if fit else {})
    if title is None and description is None and not output:
        raise UsageError("Nothing to change.", "See `retake episode edit --help` for what can be changed.")
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        changed = await client.episodes.update(
            found.id, title=title, description=description, output=output or None, revision=found.revision
        )
    session.line(f"{changed.title}  {changed.id}", style="green")
    session.emit(changed)


@app.command("delete")
@command
async def delete(
    session: Session,
    episode: Annotated[str, typer.Argument(metavar="EPISODE", help="Id or title.")],
    yes: Yes = False,
    project: ProjectOption = None,
) -> None:
    """Delete an episode with all its versions and films. Nothing brings it back."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        await confirm(session, f"Delete {found.title!r} with its {show.count(len(found.segments), 'segment')}?", yes)
        await client.episodes.delete(found.id)
    session.line(f"{found.title} is deleted.")
    session.emit({"deleted": found.id})


@app.command("order")
@command
async def order(
    session: Session,
    episode: EpisodeArgument = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="3,1,2", help="The new order, by the present numbers: each once.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Show or change the order of an episode's segments, such as `retake episode order --to 3,1,2`."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        if to is not None:
            wanted = chosen(found, to) or []
            if sorted(wanted) != sorted(s.id for s in found.segments):
                raise UsageError(f"--to {to} does not name each segment once.", f"There are {len(found.segments)}.")
            await client.episodes.reorder(found.id, wanted, revision=found.order_revision or "*")
            found = await client.episodes.get(found.id)
    for segment in found.segments:
        session.line(f"{segment.segment_number:3}  {segment.title}")
    session.emit({"episode_id": found.id, "segment_ids": [s.id for s in found.segments]})


@app.command("status")
@command
async def status(session: Session, episode: EpisodeArgument = None, project: ProjectOption = None) -> None:
    """Count an episode's segments: completed, approved, rejected, failed, pending."""
    async with session.connect() as client:
        found = await client.episodes.status((await find_episode(client, episode, project)).id)
    session.line(
        f"{found.completed} of {found.total_segments} completed: {found.approved} approved, {found.rejected} rejected; "
        f"{found.failed} failed, {found.pending} pending."
    )
    if found.current_segment is not None:
        session.line(f"Now: segment {found.current_segment}")
    session.emit(found)


@app.command("log")
@command
async def log(
    session: Session,
    episode: EpisodeArgument = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 30,
    project: ProjectOption = None,
) -> None:
    """What changed in an episode, newest first: edits, order, every commit."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        revisions = await client.episodes.revisions(found.id, limit)
    if not session.as_json:
        table = show.table("#", "Age", "Change", "Details")
        for revision in revisions:
            details = revision.details if isinstance(revision.details, dict) else {}
            told = ", ".join(f"{k}: {v}" for k, v in details.items() if not k.endswith(("_id", "_ids")))
            change = (revision.change or "").replace("_", " ")
            table.add_row(str(revision.number or ""), show.ago(revision.created_at), change, Text(told))
        session.table(table)
    session.emit({"episode_id": found.id, "revisions": revisions})


def output_of(size: str | None, fps: int | None) -> dict[str, Any]:
    made: dict[str, Any] = {"fps": fps} if fps else {}
    if size is not None:
        width, x, height = size.lower().partition("x")
        if not x or not width.isdigit() or not height.isdigit():
            raise UsageError(f"--size {size!r} is no size.", "Write it as 1920x1080.")
        made |= {"width": int(width), "height": int(height)}
    return made


@app.command("list")
@command
async def list_(session: Session, project: ProjectOption = None) -> None:
    """List a project's episodes, newest first."""
    async with session.connect() as client:
        where = await find_project(client, project)
        episodes = await client.episodes.all(where.id)
    table = show.table("Title", "=Episode", "Age")
    for episode in episodes:
        table.add_row(Text(episode.title), episode.id, show.ago(episode.created_at))
    if not session.as_json:
        if episodes:
            session.table(table)
        else:
            session.line(f"No episodes in project {where.name} yet.")
    session.emit({"project_id": where.id, "episodes": episodes})


@app.command("show")
@command
async def show_(
    session: Session,
    episode: EpisodeArgument = None,
    project: ProjectOption = None,
) -> None:
    """Show an episode: its segments, what is made for each, and what waits for review."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
    if not session.as_json:
        _print(session, found)
    session.emit(found)


def _print(session: Session, episode: Episode) -> None:
    session.line(f"{episode.title}  {episode.id}", style="bold")
    table = show.table("#N", "Segment", "Image", "Video", "Narration", "#Seconds", "State")
    board = Board(episode)
    segments = {s.id: s for s in episode.segments}
    for row in board.rows:
        segment = segments.get(row.segment_id or "")
        kinds = (Kind.STARTING_IMAGE, Kind.VIDEO, Kind.NARRATION) if segment else (None, Kind.MUSIC, None)
        duration = f"{segment.duration:.1f}" if segment and segment.duration else ""
        state = segment.approval_status or segment.status if segment else None
        table.add_row(
            str(row.number) if segment else "♪",
            Text(row.title),
            *(_look(row.cells.get(kind)) if kind else Text() for kind in kinds),
            duration,
            show.state(state) if state else "",
        )
    session.table(table)


def _look(cell: Cell | None) -> Text:
    if cell is None:
        return Text()
    word, style = show.LOOKS[cell.look]
    return Text(word, style=style)
