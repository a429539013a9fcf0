"""`retake episode import|list|show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from client.board import Board, Cell
from client.cli import show
from client.cli.command import command
from client.cli.options import EpisodeArgument, NewProjectOption, ProjectOption
from client.cli.plan import read_script
from client.cli.screen import transfer
from client.cli.session import Session
from client.cli.targets import find_episode, find_film_project, find_project
from client.models import Episode, Kind
from client.production import import_document, upload_pictures
from client.script.document import picture_paths
from client.script.pictures import check

app = typer.Typer(no_args_is_help=True, help="Episodes: import one from a script, list them, show one.")


@app.command("import")
@command
async def import_(
    session: Session,
    script: Annotated[Path, typer.Argument(metavar="SCRIPT", help="YAML or JSON; its pictures are files beside it.")],
    project: NewProjectOption = None,
) -> None:
    """Make an episode of a script. Nothing is generated yet: see `retake film --episode`."""
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
        for warning in more:
            session.warn(warning)
        episode = await client.episodes.get(episode_id)
    session.line(f"{episode.title}: {len(episode.segments)} segments", style="bold green")
    session.line(f"Episode {episode.id} in project {where.name}")
    session.emit({"episode_id": episode.id, "project_id": where.id, "warnings": warnings + more})


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
