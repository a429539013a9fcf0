"""`retake share`: links to one episode for people without an account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.lookup import find_episode, find_project
from client.cli.options import EpisodeOption, ProjectOption
from client.cli.session import Session
from client.models import Share

app = typer.Typer(no_args_is_help=True, help="Links that open one episode to people without an account; owners only.")
ROLES = ("viewer", "reviewer")
MAX_DAYS = 90


@app.command("create")
@command
async def create(
    session: Session,
    label: Annotated[str, typer.Argument(metavar="NAME", help="Whom it is for; names the guests in their reviews.")],
    role: Annotated[str, typer.Option("--role", help="viewer: see everything. reviewer: also decide.")] = "viewer",
    days: Annotated[int, typer.Option("--days", min=1, max=MAX_DAYS, help="How long it works.")] = 7,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Create a link. It is shown once: the gateway stores only its digest."""
    if role not in ROLES:
        raise UsageError(f"Unknown role: {role!r}.", f"Choose one of: {', '.join(ROLES)}.")
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        if found.project_id is None:
            raise UsageError("The gateway does not say which project this is.", "Use a client of the same release.")
        # A minute less: the gateway refuses more than the most, and its clock may be behind ours.
        until = datetime.now(UTC) + timedelta(days=days) - timedelta(minutes=1)
        made = await client.projects.share(found.project_id, found.id, role, label, expires_at=until)
    session.line(f"{found.title}: {role} until {made.expires_at:%Y-%m-%d %H:%M} UTC, for whoever has this link:")
    session.line(made.url or "", style="bold")
    session.emit(made)


@app.command("list")
@command
async def list_(session: Session, project: ProjectOption = None) -> None:
    """List the links of a project, newest first."""
    async with session.connect() as client:
        found = await client.projects.shares((await find_project(client, project)).id)
    if not session.as_json:
        table = formatting.table("Id", "For", "Role", "State")
        for share in found:
            table.add_row(share.id, Text(share.label), share.role, _state(share, datetime.now(UTC)))
        session.table(table)
    session.emit({"shares": found})


@app.command("revoke")
@command
async def revoke(
    session: Session,
    share: Annotated[str, typer.Argument(metavar="ID", help="Id of the link, from `retake share list`.")],
    project: ProjectOption = None,
) -> None:
    """Revoke a link. Its guests lose everything at once."""
    async with session.connect() as client:
        await client.projects.revoke_share((await find_project(client, project)).id, share)
    session.line("The link opens nothing any more.")
    session.emit({"revoked": share})


def _state(share: Share, now: datetime) -> str:
    if share.revoked_at:
        return f"revoked {share.revoked_at:%Y-%m-%d}"
    return f"{'until' if share.expires_at > now else 'over since'} {share.expires_at:%Y-%m-%d %H:%M} UTC"
