"""`retake notes`: notes at moments and parts of a version, with a box on the picture."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.lookup import find_asset
from client.cli.options import EpisodeOption, KindOption, ProjectOption, Target, parse_kind
from client.cli.session import Session
from client.models import Asset, Note, Version

app = typer.Typer(no_args_is_help=True, help="Notes about moments, parts and places of a version.")
NoteId = Annotated[str, typer.Argument(metavar="NOTE", help="Id of the note.")]
Number = Annotated[
    int | None,
    typer.Option(
        "--version", metavar="N", help="Version N.  [default: the preview that waits, else the committed version]"
    ),
]


@app.command("list")
@command
async def list_(
    session: Session,
    target: Target,
    kind: KindOption = None,
    number: Number = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """List the notes about a version in the order of their times."""
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        _, asset = await find_asset(client, target, asset_kind, episode, project)
        version = await find_version(client, asset, number)
        found = await client.notes.of(version.id)
    if not session.as_json:
        table = formatting.table("=Note", "Time", "Place", "By", "State", "Text")
        for note in found:
            place = f"{note.box.x:.0%}, {note.box.y:.0%}" if note.box else "-"
            state = "resolved" if note.resolved else "open"
            table.add_row(note.id, _time(note), place, note.author or note.user_id or "-", state, Text(note.text))
        if found:
            session.table(table)
        else:
            session.line(f"There are no notes about version {version.number}.")
    session.emit({"version_id": version.id, "notes": found})


@app.command("add")
@command
async def add(
    session: Session,
    target: Target,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    at: Annotated[float | None, typer.Option("--at", metavar="SECONDS", min=0, help="The moment it is about.")] = None,
    until: Annotated[
        float | None, typer.Option("--until", metavar="SECONDS", min=0, help="With --at: where the part ends.")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option("--box", metavar="X,Y,W,H", help="A rectangle of the picture, in shares of it: 0.1,0.6,0.2,0.3."),
    ] = None,
    kind: KindOption = None,
    number: Number = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Write a note about a version.

    Example: `retake notes add 3 "Too slow" --at 2.4 --until 3.1`
    """
    if until is not None and at is None:
        raise UsageError("--until needs --at.", "Say where the part begins, too.")
    corners = parse_box(box)
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        _, asset = await find_asset(client, target, asset_kind, episode, project)
        version = await find_version(client, asset, number)
        note = await client.notes.create(version.id, text, at=at, until=until, box=corners)
    session.line(f"Note about version {version.number} at {_time(note)}: {note.id}", style="green")
    session.emit(note)


@app.command("resolve")
@command
async def resolve(
    session: Session,
    note: NoteId,
    reopen: Annotated[bool, typer.Option("--reopen", help="Open it again instead.")] = False,
) -> None:
    """Mark a note as done."""
    async with session.connect() as client:
        found = await client.notes.resolve(note, resolved=not reopen)
    session.line("The note is open again." if reopen else "The note is resolved.", style="green")
    session.emit(found)


@app.command("delete")
@command
async def delete(session: Session, note: NoteId) -> None:
    """Delete a note that you wrote (owners: any)."""
    async with session.connect() as client:
        await client.notes.delete(note)
    session.line("The note is deleted.")
    session.emit({"deleted": note})


async def find_version(client: AsyncRetake, asset: Asset, number: int | None) -> Version:
    """Version `number` of the asset; without one the first that waits for a decision, else the committed one. Raises
    UsageError."""
    if number is not None:
        known = await client.assets.versions(asset.id)
        for version in known:
            if version.number == number:
                return version
        numbers = ", ".join(str(v.number) for v in known) or "none"
        raise UsageError(f"There is no version {number}.", f"Choose one of: {numbers}.")
    if asset.preview and asset.preview.versions:
        return asset.preview.versions[0]
    if asset.committed:
        return asset.committed
    raise UsageError("There is no version to write about yet.", "Generate one first: retake regenerate.")


def parse_box(text: str | None) -> dict[str, float] | None:
    """`x,y,width,height` in shares of the picture. Raises UsageError."""
    if text is None:
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--box {text!r} does not name a rectangle.", "Write it as --box 0.1,0.6,0.2,0.3.") from None
    return {"x": x, "y": y, "width": width, "height": height}


def _time(note: Note) -> str:
    return f"{note.at:.2f} s" if note.until is None else f"{note.at:.2f}-{note.until:.2f} s"
