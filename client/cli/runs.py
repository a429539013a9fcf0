"""`retake regenerate` and `retake runs`: start a run; list, show, cancel and reopen runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from client.cleanup import cancel_on_error
from client.cli import formatting
from client.cli.command import command
from client.cli.estimates import DryRun, report_estimate
from client.cli.follow import follow_run, report_run
from client.cli.lookup import find_asset, find_scope
from client.cli.options import (
    EpisodeFilter,
    EpisodeOption,
    KindOption,
    Limit,
    ProjectOption,
    Target,
    parse_kind,
    parse_pairs,
)
from client.cli.preview import present
from client.cli.session import Session
from client.models import Run

app = typer.Typer(no_args_is_help=True, help="Runs: list, show, cancel, reopen.")

MESSAGE_COLUMNS = 120  # minimum width of a screen that shows messages
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


@command
async def regenerate(
    session: Session,
    target: Target,
    kind: KindOption = None,
    directions: Annotated[
        str | None, typer.Option("--directions", "-d", metavar="TEXT", help="Directions.  [default: the draft's]")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            "-c",
            metavar="KEY=VALUE",
            help="Change to the present version: prompt_modifications, "
            "style_adjustments, character_prompt; repeatable.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Model, see `retake models`.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Setting of the model, such as seed=7; repeatable."),
    ] = None,
    variants: Annotated[
        int | None, typer.Option("--variants", min=1, max=4, help="Number of variants to choose from.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the preview; Ctrl-C cancels the run.")
    ] = True,
    dry_run: DryRun = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Generate a new version of a video, starting image, narration or music.

    The committed version stays in use until you accept the new one.
    """
    settings, changes = parse_pairs(setting, "--set"), parse_pairs(change, "--change")
    asset_kind = parse_kind(kind)
    async with session.connect() as client:
        found, asset = await find_asset(client, target, asset_kind, episode, project)
        request: dict[str, Any] = {
            "directions": directions,
            "model": model,
            "settings": settings or None,
            "variants": variants,
            "suggested_changes": changes or None,
        }
        if dry_run:
            report_estimate(session, await client.assets.estimate(asset.id, **request))
            return
        start = client.assets.regenerate(asset.id, **request)
        async with cancel_on_error(start, lambda run: client.runs.cancel(run.id)) as run:
            if wait:
                run = await follow_run(session, client, found, run.id)
    report_run(session, run, found, asset)


@app.command("list")
@command
async def list_(
    session: Session,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="STATE,...", help="Status: queued, generating, preview_ready, failed, ..."),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", metavar="KIND,...", help="Kind of asset: video, narration, ...")
    ] = None,
    limit: Limit = 20,
    episode: EpisodeFilter = None,
    project: ProjectOption = None,
) -> None:
    """List the runs of a project, newest first."""
    async with session.connect() as client:
        project_id, filters = await find_scope(client, episode, project)
        filters["status"], filters["kind"] = status, kind
        runs = await client.runs.all(project_id, limit, **filters)
    if not session.as_json:
        _print(session, runs)
    session.emit({"runs": runs})


@app.command("show")
@command
async def show(session: Session, run: RunId) -> None:
    """Show the status, results, settings and error of a run."""
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
    status = found.status.replace("_", " ") if found.status.at_rest else "the provider is being asked to stop"
    session.line(f"Run {found.id}: {status}")
    session.emit(found)


@app.command("reopen")
@command
async def reopen(session: Session, run: RunId) -> None:
    """Review an expired or rejected preview again, at no new cost."""
    async with session.connect() as client:
        found = await client.runs.reopen(run)
    session.line(f"Decide with: retake review {found.id}")
    session.emit(found)


def _print(session: Session, runs: list[Run]) -> None:
    if not runs:
        session.line("No runs.")
        return
    wide = session.console.width >= MESSAGE_COLUMNS
    table = formatting.table("=Run", "#Seg", "Kind", "Status", "Age", *(["Message"] if wide else []))
    for run in runs:
        message = (run.error.text if run.error else run.message) or ""
        state = formatting.state(run.status)
        if run.status == "generating" and run.percent is not None:
            state += f" {run.percent:.0f}%"
        row = [run.id, str(run.segment_number or ""), run.kind.words, state, formatting.ago(run.created_at)]
        table.add_row(*row, *([Text(message)] if wide else []))
    session.table(table)


def _details(session: Session, run: Run) -> None:
    segment = f" of segment {run.segment_number}" if run.segment_number else ""
    session.line(f"{run.kind.words}{segment}: {run.status.replace('_', ' ')}", style="bold")
    if run.message:
        session.line(run.message)
    if run.error:
        session.line(f"{run.error.text} {run.error.recovery or ''}".strip(), style="red")
    if run.cost and run.cost.text and not run.versions:  # a preview includes its cost
        session.line(f"Cost: {run.cost.text}")
    table = formatting.table("Setting", "Value", "Source")
    for name, setting in run.settings.items():
        table.add_row(name, Text(str(setting.value)), setting.source)
    if run.settings:
        session.table(table)
    present(session, run)
