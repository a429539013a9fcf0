"""`retake members`: who sees a project, and what they may do."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.options import ProjectOption
from client.cli.session import Session
from client.cli.targets import find_project

app = typer.Typer(no_args_is_help=True, help="Who sees a project: viewer < reviewer < editor < owner.")
User = Annotated[str, typer.Argument(metavar="USER", help="The user's id.")]
ROLES = ("viewer", "reviewer", "editor", "owner")


@app.command("list")
@command
async def list_(session: Session, project: ProjectOption = None) -> None:
    """List a project's members."""
    async with session.connect() as client:
        found = await client.projects.members((await find_project(client, project)).id)
    if not session.as_json:
        table = show.table("User", "Name", "Role")
        for member in found:
            table.add_row(Text(member.user_id), Text(member.name or ""), member.role)
        session.table(table)
    session.emit({"members": found})


@app.command("set")
@command
async def set_(
    session: Session,
    user: User,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="viewer, reviewer, editor or owner.")],
    project: ProjectOption = None,
) -> None:
    """Let somebody in, or change their role (owner)."""
    if role not in ROLES:
        raise UsageError(f"{role!r} is no role.", f"Choose one of: {', '.join(ROLES)}.")
    async with session.connect() as client:
        found = await client.projects.set_member((await find_project(client, project)).id, user, role)
    session.line(f"{found.name or found.user_id} is {found.role}.", style="green")
    session.emit(found)


@app.command("remove")
@command
async def remove(session: Session, user: User, project: ProjectOption = None) -> None:
    """Put somebody out (owner), or leave (yourself)."""
    async with session.connect() as client:
        await client.projects.remove_member((await find_project(client, project)).id, user)
    session.line(f"{user} is no member any more.")
    session.emit({"removed": user})
