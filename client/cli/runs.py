"""`retake runs`: what was made, what is being made."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import show
from client.cli.command import command
from client.cli.options import ProjectOption
from client.cli.preview import present
from client.cli.session import Session
from client.cli.targets import find_episode, find_project
from client.models import Run

app = typer.Typer(no_args_is_help=True, help="Runs: list, show, cancel, reopen.")

MESSAGES_FROM = 120  # columns of a screen that has room for messages beside ids
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]


@app.command("list")
@command
async def list_(
    session: Session,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATE,...", help="queued, generating, preview_ready, failed, ...")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", "-k", metavar="KIND,...", help="video, narration, ...")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
    episode: Annotated[str | None, typer.Option("--episode", help="Id or title.  [default: all]")] = None,
    project: ProjectOption = None,
) -> None:
    """List a project's runs, newest first."""
    async with session.connect() as client:
        episode_id = None
        if episode:
            found = await find_episode(client, episode, project)
            project_id, episode_id = found.project_id or "", found.id
        else:
            project_id = (await find_project(client, project)).id
        runs = await client.runs.all(project_id, limit, status=status, kind=kind, episode_id=episode_id)
    if not session.as_json:
        _print(session, runs)
    session.emit({"runs": runs})


@app.command("show")
@command
async def show_(session: Session, run: RunId) -> None:
    """Show one run: its state, what it made, why it failed."""
    async with session.connect() as client:
        found = await client.runs.get(run)
    if not session.as_json:
        _details(session, found)
    session.emit(found)


@app.command("cancel")
@command
async def cancel(session: Session, run: RunId) -> None:
    """Cancel a run that is queued or generating."""
    async with session.connect() as client:
        found = await client.runs.cancel(run)
    stops = "" if found.status.at_rest else ": it is being stopped, and the call at its provider with it"
    session.line(f"Run {found.id} ({found.status.replace('_', ' ')}){stops}")
    session.emit(found)


@app.command("reopen")
@command
async def reopen(session: Session, run: RunId) -> None:
    """Offer an expired or rejected preview again, at no new cost."""
    async with session.connect() as client:
        found = await client.runs.reopen(run)
    session.line(f"It waits for review again: retake review {found.id}")
    session.emit(found)


def _print(session: Session, runs: list[Run]) -> None:
    if not runs:
        session.line("No runs.")
        return
    wide = session.console.width >= MESSAGES_FROM
    table = show.table("=Run", "#Seg", "Kind", "State", "Age", *(["Message"] if wide else []))
    for run in runs:
        told = (run.error.text if run.error else run.message) or ""
        state = show.state(run.status)
        if run.status == "generating" and run.percent is not None:
            state += f" {run.percent:.0f}%"
        row = [run.id, str(run.segment_number or ""), run.kind.words, state, show.ago(run.created_at)]
        table.add_row(*row, *([Text(told)] if wide else []))
    session.table(table)


def _details(session: Session, run: Run) -> None:
    where = f" of segment {run.segment_number}" if run.segment_number else ""
    session.line(f"{run.kind.words}{where}: {run.status.replace('_', ' ')}", style="bold")
    if run.message:
        session.line(run.message)
    if run.error:
        session.line(f"{run.error.text} {run.error.recovery or ''}".strip(), style="red")
    if run.cost and run.cost.text and not run.versions:  # a preview says it among its facts
        session.line(f"Cost: {run.cost.text}")
    table = show.table("Setting", "Value", "From")
    for name, setting in run.settings.items():
        table.add_row(name, Text(str(setting.value)), setting.source)
    if run.settings:
        session.table(table)
    present(session, run)
