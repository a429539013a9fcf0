"""`retake review`: what waits, and the decision about it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.options import EpisodeOption, ProjectOption, pairs
from client.cli.preview import Later, decide, present
from client.cli.session import Session
from client.cli.targets import find_episode, find_project
from client.errors import AlreadyDecided
from client.models import Review, Run, RunStatus
from client.production import Accept, Reject, submit


@command
async def review(
    session: Session,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="The run to decide.  [default: all that wait]")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", "-a", help="Accept it.")] = False,
    reject: Annotated[bool, typer.Option("--reject", "-r", help="Reject it.")] = False,
    rating: Annotated[int | None, typer.Option("--rating", min=1, max=5, help="How good it is.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", "--feedback", metavar="TEXT", help="Why.")] = None,
    suggest: Annotated[
        str | None,
        typer.Option("--suggest", metavar="TEXT", help="With --reject: added to the directions of a new try."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            "-c",
            metavar="KEY=VALUE",
            help="With --reject: another change, such as character_prompt=..., seed=7. May be repeated.",
        ),
    ] = None,
    again: Annotated[
        bool | None,
        typer.Option("--again/--no-again", help="With --reject: make it again.  [default: if changes are given]"),
    ] = None,
    version: Annotated[str | None, typer.Option("--version-id", help="Which one, of several variants.")] = None,
    show_only: Annotated[bool, typer.Option("--list", help="Only show what waits.")] = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Decide about previews: one run by options, or all that wait, one after the other, at the terminal."""
    decision = _decision(accept, reject, rating, reason, suggest, change, again)
    if decision is not None and run is None:
        raise UsageError("Which run?", "`retake review --list` shows those that wait.")
    async with session.connect() as client:
        if run is not None:
            waiting = [await client.runs.get(run)]
        else:
            waiting = await _waiting(client, episode, project)
        if decision is not None:
            decided = await submit(client, waiting[0], decision, version)
            _tell(session, waiting[0], decided)
            session.emit(decided)
        elif show_only or not session.can_ask:
            _list(session, waiting)
            session.emit({"waiting": waiting})
        else:
            await _ask_all(session, client, waiting)


def _decision(
    accept: bool,
    reject: bool,
    rating: int | None,
    reason: str | None,
    suggest: str | None,
    change: list[str] | None,
    again: bool | None,
) -> Accept | Reject | None:
    changes: dict[str, Any] = pairs(change, "--change")
    if suggest:
        changes["prompt_modifications"] = suggest
    if accept and reject:
        raise UsageError("--accept and --reject contradict each other.", "Leave one out.")
    if not reject and (changes or again is not None):
        raise UsageError("Changes belong to a rejection.", "Add --reject.")
    if accept:
        return Accept(rating, reason)
    if reject:
        return Reject(reason, changes or None, rating, regenerate=bool(changes) if again is None else again)
    if rating is not None or reason:
        raise UsageError("A rating or a reason needs a decision.", "Add --accept or --reject.")
    return None


async def _waiting(client: AsyncRetake, episode: str | None, project: str | None) -> list[Run]:
    """Oldest first, as their deadlines run out."""
    if episode:
        found = await find_episode(client, episode, project)
        project_id, episode_id = found.project_id or "", found.id
    else:
        project_id, episode_id = (await find_project(client, project)).id, None
    runs = await client.runs.all(project_id, status=RunStatus.PREVIEW_READY.value, episode_id=episode_id)
    return sorted(runs, key=lambda r: (r.deadline is None, r.deadline, r.created_at))


def _list(session: Session, waiting: list[Run]) -> None:
    if session.as_json:
        return
    if not waiting:
        session.line("Nothing waits for review.")
        return
    table = show.table("=Run", "#Seg", "Kind", "Made", "Decide")
    for run in waiting:
        made = show.media(run.versions[0]) if run.versions else "-"
        number = str(run.segment_number or "-")
        table.add_row(run.id, number, run.kind.words, Text(made), show.left(run.deadline) or "any time")
    session.table(table)


async def _ask_all(session: Session, client: AsyncRetake, waiting: list[Run]) -> None:
    if not waiting:
        session.line("Nothing waits for review.")
    for run in waiting:
        if run.status is not RunStatus.PREVIEW_READY:
            session.line(f"Run {run.id} does not wait for a decision: it is {run.status.replace('_', ' ')}.")
            continue
        present(session, run)
        try:
            decided = await submit(client, run, await decide(session, run, may_leave=True))
        except Later:
            continue
        except AlreadyDecided as e:
            session.warn(f"{e.message} {e.recovery}")
            continue
        _tell(session, run, decided)


def _tell(session: Session, run: Run, review: Review) -> None:
    what = f"Segment {run.segment_number}'s {run.kind.words}" if run.segment_number else run.kind.words.title()
    match review.verdict:
        case "accepted":
            session.line(f"✓ {what} accepted", style="green")
        case "rejected" if review.next_run_id:
            session.line(f"↻ {what} rejected; it is made again (run {review.next_run_id})", style="magenta")
        case "rejected":
            session.line(f"✗ {what} rejected; what was committed stays", style="magenta")
        case _:
            session.line(f"{what}: the decision is on its way")
