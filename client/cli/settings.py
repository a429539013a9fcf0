"""`retake settings`: a project's defaults, its style, its characters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.options import ProjectOption, pairs
from client.cli.screen import transfer
from client.cli.session import Session
from client.cli.targets import find_project
from client.models import ProjectSettings

app = typer.Typer(no_args_is_help=True, help="A project's defaults, style and characters.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The character's name.")]


@app.command("show")
@command
async def show_(session: Session, project: ProjectOption = None) -> None:
    """Show what runs of this project take by default."""
    async with session.connect() as client:
        found = await client.projects.settings((await find_project(client, project)).id)
    _print(session, found)


@app.command("set")
@command
async def set_(
    session: Session,
    values: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE...", help="Such as video.duration=5, style=noir; null clears."),
    ],
    project: ProjectOption = None,
) -> None:
    """Change defaults, such as `retake settings set video.model=animatic/camera review.deadline_minutes=60`.

    Keys: output.*, video.*, image.*, narration.*, music.* (see `retake models`), style, workflow,
    review.deadline_minutes and spend_cap (owner): spend_cap.amount=20 spend_cap.currency=USD spend_cap.period=month.
    """
    changes = nested(pairs(values, "KEY=VALUE"))
    async with session.connect() as client:
        where = await find_project(client, project)
        before = await client.projects.settings(where.id)
        found = await client.projects.change_settings(where.id, changes, revision=before.revision)
    _print(session, found)


@app.command("style")
@command
async def style(
    session: Session,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Added to every prompt; an empty one takes it away.")],
    project: ProjectOption = None,
) -> None:
    """Set the look that all pictures and videos of the project share."""
    async with session.connect() as client:
        where = await find_project(client, project)
        found = await client.projects.change_settings(where.id, {"style": text or None})
    session.line(f"Style: {found.style or 'none'}", style="green")
    session.emit(found)


@app.command("character")
@command
async def character(
    session: Session,
    name: Name,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="How the character looks.")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option("--image", metavar="FILE", help="A reference image. May be repeated.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the character away.")] = False,
    project: ProjectOption = None,
) -> None:
    """Add, change or remove a character that every prompt may name."""
    for file in image or []:
        if not file.is_file():
            raise UsageError(f"{file}: there is no such file.", "Name an image file.")
    async with session.connect() as client:
        where = await find_project(client, project)
        before = await client.projects.settings(where.id)
        known = {c.name: c.model_dump(include={"name", "description", "upload_ids"}) for c in before.characters}
        if remove and name not in known:
            raise UsageError(f"There is no character {name!r}.", f"There are: {', '.join(known) or 'none'}.")
        if remove:
            del known[name]
        else:
            made = known.setdefault(name, {"name": name, "description": None, "upload_ids": []})
            made["description"] = description if description is not None else made["description"]
            for file in image or []:
                with transfer(session, file.name) as told:
                    uploaded = await client.uploads.create(where.id, file, on_progress=told)
                made["upload_ids"] = [*(made["upload_ids"] or []), uploaded.id]
        changes = {"characters": list(known.values())}
        found = await client.projects.change_settings(where.id, changes, revision=before.revision)
    _print(session, found)


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`a.b=1` as {"a": {"b": 1}}."""
    made: dict[str, Any] = {}
    for key, value in flat.items():
        *outer, last = key.split(".")
        inside = made
        for name in outer:
            inside = inside.setdefault(name, {})
            if not isinstance(inside, dict):
                raise UsageError(f"{key} and {name} exclude each other.", "Leave one out.")
        inside[last] = value
    return made


def _print(session: Session, found: ProjectSettings) -> None:
    if not session.as_json:
        table = show.table("Setting", "Value")
        for name, value in _flat(found.model_dump(exclude={"characters", "revision", "project_id", "updated_at"})):
            table.add_row(name, Text(value))
        for one in found.characters:
            pictures = f" ({len(one.upload_ids)} images)" if one.upload_ids else ""
            table.add_row("character", Text(f"{one.name}: {one.description or '-'}{pictures}"))
        session.table(table)
    session.emit(found)


def _flat(values: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{before}{name}.")
        elif value is not None:
            rows.append((before + name, value if isinstance(value, str) else json.dumps(value)))
    return rows
