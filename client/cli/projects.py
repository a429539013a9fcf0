"""`retake project`: create, list, show, edit and delete projects."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.lookup import find_project
from client.cli.options import SubjectProject, Yes, named
from client.cli.prompts import confirm
from client.cli.session import Session

app = typer.Typer(no_args_is_help=True, help="Projects: create, list, show, edit, delete.")
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="Description of the project.")]


@app.command("list")
@command
async def list_(session: Session) -> None:
    """List your projects, newest first."""
    async with session.connect() as client:
        projects = await client.projects.all()
    table = formatting.table("Name", "=Project", "Your role", "#Storage", "Age")
    for project in projects:
        storage = formatting.size(project.bytes) if project.bytes is not None else ""
        age = formatting.ago(project.created_at)
        table.add_row(Text(project.name), project.id, project.my_role or "", storage, age)
    if not session.as_json:
        if projects:
            session.table(table)
        else:
            session.line("No projects yet. Create one with `retake project new NAME`.")
    session.emit({"projects": projects})


@app.command("new")
@command
async def new(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the project.")],
    description: Description = None,
) -> None:
    """Create a project. You are its owner."""
    async with session.connect() as client:
        project = await client.projects.create(name, description=description)
    session.line(f"Project {project.name}  {project.id}", style="green")
    session.emit(project)


@app.command("show")
@command
async def show(session: Session, project: SubjectProject = None) -> None:
    """Show the members, episodes and storage of a project."""
    async with session.connect() as client:
        found = await client.projects.get((await find_project(client, project)).id)
        members = await client.projects.members(found.id)
        episodes = await client.episodes.all(found.id)
    if not session.as_json:
        session.line(f"{found.name}  {found.id}", style="bold")
        if found.description:
            session.line(found.description)
        count = formatting.count(len(episodes), "episode")
        session.line(f"{count}, {formatting.size(found.bytes)} of storage. Your role: {found.my_role}.")
        session.line("Members: " + ", ".join(f"{m.name or m.user_id} ({m.role})" for m in members))
    session.emit({"project": found, "members": members, "episodes": episodes})


@app.command("edit")
@command
async def edit(
    session: Session,
    project: SubjectProject = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="New name.")] = None,
    description: Description = None,
) -> None:
    """Change the name or description of a project (owners only)."""
    async with session.connect() as client:
        found = await find_project(client, project)
        changed = await client.projects.update(found.id, name=name, description=description, revision=found.revision)
    session.line(f"{changed.name}  {changed.id}", style="green")
    session.emit(changed)


@app.command("delete")
@command
async def delete(
    session: Session,
    project: SubjectProject = None,
    yes: Yes = False,
) -> None:
    """Delete a project with all its episodes and films (owners only). This cannot be undone.

    The project must be named.
    """
    project = named(project, "project")
    async with session.connect() as client:
        found = await find_project(client, project)
        await confirm(session, f"Delete project {found.name!r} and everything in it?", yes)
        await client.projects.delete(found.id)
    session.line(f"Deleted project {found.name}.")
    session.emit({"deleted": found.id})
