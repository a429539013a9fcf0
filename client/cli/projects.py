"""`retake project`: make, list, show, change, delete."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import show
from client.cli.ask import confirm
from client.cli.command import command
from client.cli.options import ProjectArgument, Yes
from client.cli.session import Session
from client.cli.targets import find_project

app = typer.Typer(no_args_is_help=True, help="Projects: make, list, show, change, delete.")
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What it is about.")]


@app.command("list")
@command
async def list_(session: Session) -> None:
    """List your projects, newest first."""
    async with session.connect() as client:
        projects = await client.projects.all()
    table = show.table("Name", "=Project", "Your role", "#Held", "Age")
    for project in projects:
        held = show.size(project.bytes) if project.bytes is not None else ""
        table.add_row(Text(project.name), project.id, project.my_role or "", held, show.ago(project.created_at))
    if not session.as_json:
        if projects:
            session.table(table)
        else:
            session.line("No projects yet. Make one with `retake project new NAME`.")
    session.emit({"projects": projects})


@app.command("new")
@command
async def new(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    description: Description = None,
) -> None:
    """Make a project; it is yours."""
    async with session.connect() as client:
        project = await client.projects.create(name, description=description)
    session.line(f"Project {project.name}  {project.id}", style="green")
    session.emit(project)


@app.command("show")
@command
async def show_(session: Session, project: ProjectArgument = None) -> None:
    """Show a project: who is in it, what it holds."""
    async with session.connect() as client:
        found = await client.projects.get((await find_project(client, project)).id)
        members = await client.projects.members(found.id)
        episodes = await client.episodes.all(found.id)
    if not session.as_json:
        session.line(f"{found.name}  {found.id}", style="bold")
        if found.description:
            session.line(found.description)
        session.line(f"{len(episodes)} episodes, {show.size(found.bytes)} held; you are its {found.my_role}.")
        session.line("Members: " + ", ".join(f"{m.name or m.user_id} ({m.role})" for m in members))
    session.emit({"project": found, "members": members, "episodes": episodes})


@app.command("edit")
@command
async def edit(
    session: Session,
    project: ProjectArgument = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its new name.")] = None,
    description: Description = None,
) -> None:
    """Change a project's name or description (owner)."""
    async with session.connect() as client:
        found = await find_project(client, project)
        changed = await client.projects.update(found.id, name=name, description=description, revision=found.revision)
    session.line(f"{changed.name}  {changed.id}", style="green")
    session.emit(changed)


@app.command("delete")
@command
async def delete(
    session: Session,
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Id or name.")],
    yes: Yes = False,
) -> None:
    """Delete a project with all its episodes and films (owner). Nothing brings them back."""
    async with session.connect() as client:
        found = await find_project(client, project)
        await confirm(session, f"Delete project {found.name!r} with everything in it?", yes)
        await client.projects.delete(found.id)
    session.line(f"Project {found.name} is deleted.")
    session.emit({"deleted": found.id})
