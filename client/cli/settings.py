"""`retake settings`: the defaults, style and characters of a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.lookup import find_project
from client.cli.options import ProjectOption, parse_pairs
from client.cli.screen import transfer
from client.cli.session import Session
from client.models import ProjectSettings

app = typer.Typer(no_args_is_help=True, help="Defaults, style and characters of a project.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the character.")]


@app.command("show")
@command
async def show(session: Session, project: ProjectOption = None) -> None:
    """Show the settings of a project."""
    async with session.connect() as client:
        found = await client.projects.settings((await find_project(client, project)).id)
    _print(session, found)


@app.command("set")
@command
async def set_(
    session: Session,
    values: Annotated[
        list[str],
        typer.Argument(metavar="KEY=VALUE...", help="Such as video.duration=5 or style=noir; null resets a setting."),
    ],
    project: ProjectOption = None,
) -> None:
    """Change settings of a project.

    Keys: output.*, video.*, image.*, narration.*, music.* (see `retake models`), style, workflow,
    review.deadline_minutes, and, for owners, spend_cap.amount, spend_cap.currency and spend_cap.period.

    Examples:

    * `retake settings set video.model=animatic/camera review.deadline_minutes=60`
    * `retake settings set spend_cap.amount=20 spend_cap.currency=USD spend_cap.period=month`
    """
    changes = nest(parse_pairs(values, "KEY=VALUE"))
    async with session.connect() as client:
        project_id = (await find_project(client, project)).id
        before = await client.projects.settings(project_id)
        found = await client.projects.change_settings(project_id, changes, revision=before.revision)
    _print(session, found)


@app.command("style")
@command
async def style(
    session: Session,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Text added to every prompt; empty to remove it.")],
    project: ProjectOption = None,
) -> None:
    """Set the visual style of all images and videos of a project."""
    async with session.connect() as client:
        project_id = (await find_project(client, project)).id
        found = await client.projects.change_settings(project_id, {"style": text or None})
    session.line(f"Style: {found.style or 'none'}", style="green")
    session.emit(found)


@app.command("character")
@command
async def character(
    session: Session,
    name: Name,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="Appearance of the character.")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option("--image", metavar="FILE", help="Reference image; repeatable.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the character.")] = False,
    project: ProjectOption = None,
) -> None:
    """Add, change or remove a character that prompts can refer to."""
    for file in image or []:
        if not file.is_file():
            raise UsageError(f"{file}: no such file.", "Give an image file.")
    async with session.connect() as client:
        project_id = (await find_project(client, project)).id
        before = await client.projects.settings(project_id)
        characters = {c.name: c.model_dump(include={"name", "description", "upload_ids"}) for c in before.characters}
        if remove and name not in characters:
            raise UsageError(f"There is no character {name!r}.", f"Choose one of: {', '.join(characters) or 'none'}.")
        if remove:
            del characters[name]
        else:
            changed = characters.setdefault(name, {"name": name, "description": None, "upload_ids": []})
            changed["description"] = description if description is not None else changed["description"]
            for file in image or []:
                with transfer(session, file.name) as on_progress:
                    uploaded = await client.uploads.create(project_id, file, on_progress=on_progress)
                changed["upload_ids"] = [*(changed["upload_ids"] or []), uploaded.id]
        changes = {"characters": list(characters.values())}
        found = await client.projects.change_settings(project_id, changes, revision=before.revision)
    _print(session, found)


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} as {"a": {"b": 1}}. Raises UsageError if a key is both a value and a group."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *outer, last = key.split(".")
        group = nested
        for name in outer:
            group = group.setdefault(name, {})
            if not isinstance(group, dict):
                raise UsageError(f"{key} and {name} exclude each other.", "Omit one of them.")
        group[last] = value
    return nested


def _print(session: Session, found: ProjectSettings) -> None:
    if not session.as_json:
        table = formatting.table("Setting", "Value")
        for name, value in _flat(found.model_dump(exclude={"characters", "revision", "project_id", "updated_at"})):
            table.add_row(name, Text(value))
        for one in found.characters:
            images = f" ({formatting.count(len(one.upload_ids), 'image')})" if one.upload_ids else ""
            table.add_row("character", Text(f"{one.name}: {one.description or '-'}{images}"))
        session.table(table)
    session.emit(found)


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            rows.append((prefix + name, value if isinstance(value, str) else json.dumps(value)))
    return rows
