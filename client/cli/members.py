"""`retake members`: the members of a project and their roles."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.lookup import find_project
from client.cli.options import ProjectOption
from client.cli.session import Session

app = typer.Typer(no_args_is_help=True, help="Members of a project and their roles: viewer, reviewer, editor, owner.")
User = Annotated[str, typer.Argument(metavar="USER", help="Id of the user.")]
ROLES = ("viewer", "reviewer", "editor", "owner")


@app.command("list")
@command
async def list_(session: Session, project: ProjectOption = None) -> None:
    """List the members of a project."""
    async with session.connect() as client:
        found = await client.projects.members((await find_project(client, project)).id)
    if not session.as_json:
        table = formatting.table("User", "Name", "Role")
        for member in found:
            table.add_row(Text(member.user_id), Text(member.name or ""), member.role)
        session.table(table)
    session.emit({"members": found})


@app.command("set")
@command
async def set_(
    session: Session,
    user: User,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="Role: viewer, reviewer, editor or owner.")],
    project: ProjectOption = None,
) -> None:
    """Add a member, or change a member's role (owners only)."""
    if role not in ROLES:
        raise UsageError(f"Unknown role: {role!r}.", f"Choose one of: {', '.join(ROLES)}.")
    async with session.connect() as client:
        found = await client.projects.set_member((await find_project(client, project)).id, user, role)
    session.line(f"{found.name or found.user_id}: {found.role}", style="green")
    session.emit(found)


@app.command("remove")
@command
async def remove(session: Session, user: User, project: ProjectOption = None) -> None:
    """Remove a member (owners only), or leave the project yourself."""
    async with session.connect() as client:
        await client.projects.remove_member((await find_project(client, project)).id, user)
    session.line(f"Removed {user} from the project.")
    session.emit({"removed": user})
