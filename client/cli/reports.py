"""`retake metrics`, `retake usage` and `retake feed`: figures of a project, its cost, its activity."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.lookup import find_episode, find_project, find_scope
from client.cli.options import EpisodeFilter, Limit, ProjectOption
from client.cli.session import Session
from client.models import Metrics

GROUPS = ("day", "month", "kind", "provider", "model", "episode")


@command
async def metrics(session: Session, episode: EpisodeFilter = None, project: ProjectOption = None) -> None:
    """Show review metrics: first-time approvals, regenerations, times of film and generation, ratings, their trend."""
    async with session.connect() as client:
        if episode:
            found = await client.episodes.metrics((await find_episode(client, episode, project)).id)
        else:
            found = await client.projects.metrics((await find_project(client, project)).id)
    if not session.as_json:
        _print(session, found)
    session.emit(found)


def _print(session: Session, found: Metrics) -> None:
    table = formatting.table("Metric", "#Value", "Target", "Met")
    targets = found.targets
    rows = (
        ("First-time approval rate", _percent(found.first_time_approval_rate), "first_time_approval_rate", "> {:.0%}"),
        ("Regeneration rate", _percent(found.regeneration_rate), "regeneration_rate", "< {:.0%}"),
        ("Time to film", formatting.clock(found.seconds_to_film), "seconds_to_film", "< {:.0f} s"),
        (
            "Generation of 5 s of video",
            _seconds(found.generation_seconds_per_5s),
            "generation_seconds_per_5s",
            "< {:.0f} s",
        ),
        ("Mean version rating", _stars(found.mean_rating), "mean_rating", "> {:.1f}"),
        ("Mean film rating", _stars(found.mean_film_rating), "mean_film_rating", "> {:.1f}"),
        ("Compiled again after hand-over", _percent(found.recompilation_rate), "recompilation_rate", "< {:.0%}"),
    )
    for label, value, name, form in rows:
        met = {True: "yes", False: "no", None: ""}[found.met.get(name)]
        table.add_row(label, value, form.format(targets[name]) if name in targets else "", met)
    session.table(table)
    handed_over = formatting.count(found.films_handed_over, "film")
    session.line(
        f"{found.segments_reviewed} segments reviewed, {found.decisions} decisions, {handed_over} handed over."
    )
    if found.ratings_by_week:
        weeks = formatting.table("Week of", "#Version rating", "#Rated", "#Film rating", "#Rated")
        for week in found.ratings_by_week:
            versions, films = _stars(week.mean_rating), _stars(week.mean_film_rating)
            weeks.add_row(week.week, versions, str(week.ratings), films, str(week.film_ratings))
        session.table(weeks)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.0%}"


def _stars(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.1f}"


@command
async def usage(
    session: Session,
    by: Annotated[str, typer.Option("--by", help="Group by day, month, kind, provider, model or episode.")] = "day",
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Start date, inclusive: 2026-01-31.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="End date, exclusive.")] = None,
    project: ProjectOption = None,
) -> None:
    """Show the cost of the runs of a project, and what its files take."""
    if by not in GROUPS:
        raise UsageError(f"--by {by!r} is not supported.", f"Choose one of: {', '.join(GROUPS)}.")
    for option, given in (("--since", since), ("--until", until)):
        _check_date(option, given)
    async with session.connect() as client:
        its_project = await find_project(client, project)
        found = await client.projects.usage(its_project.id, start=since, to=until, group_by=by)
    if not session.as_json:
        table = formatting.table(by.title(), "#Runs", "#Paid", "#Estimated", "")
        for group in found.groups:
            table.add_row(Text(group.key), str(group.runs), group.amount, group.estimated, group.currency)
        if found.groups:
            session.table(table)
        total = ", ".join(f"{m.amount} {m.currency}" for m in found.totals) or "nothing"
        session.line(f"Total: {total}", style="bold")
        if found.unknown:
            runs = sum(group.unknown_runs for group in found.groups)
            more = ", ".join(f"{m.amount} {m.currency}" for m in found.unknown)
            session.line(
                f"Up to {more} more for {runs} {'run' if runs == 1 else 'runs'} whose provider has not said what it "
                "charges: `retake runs show RUN` says why."
            )
        if found.storage:
            limit = f" of {formatting.size(found.storage.limit)}" if found.storage.limit is not None else ""
            session.line(f"Storage: {formatting.size(found.storage.used)}{limit}")
    session.emit(found)


def _check_date(option: str, given: str | None) -> None:
    try:
        datetime.fromisoformat(given or "2026-01-31")
    except ValueError:
        raise UsageError(f"{option} {given!r} is not a date.", "Write it as 2026-01-31.") from None


@command
async def feed(
    session: Session, limit: Limit = 30, episode: EpisodeFilter = None, project: ProjectOption = None
) -> None:
    """Show the activity feed: the steps of all runs, newest first."""
    async with session.connect() as client:
        project_id, filters = await find_scope(client, episode, project)
        found = await client.projects.progress(project_id, limit, **filters)
    if not session.as_json:
        table = formatting.table("Age", "Asset", "Status", "Message")
        for entry in found:
            segment = f"{entry.segment_number} " if entry.segment_number else ""
            asset = segment + (entry.kind or "").replace("_", " ")
            table.add_row(formatting.ago(entry.at), Text(asset), formatting.state(entry.state), Text(entry.message))
        if found:
            session.table(table)
        else:
            session.line("No activity yet.")
    session.emit({"progress": found})
