"""`retake metrics`, `usage`, `history`, `feed`, `me`: how it goes, what it cost, who decided what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import show
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.options import ProjectOption
from client.cli.session import Session
from client.cli.targets import find_episode, find_project
from client.models import Metrics
from client.resources.base import Filters

GROUPS = ("day", "month", "kind", "provider", "model", "episode")
AllEpisodes = Annotated[str | None, typer.Option("--episode", help="Only of this one: id or title.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")]


@command
async def metrics(session: Session, episode: AllEpisodes = None, project: ProjectOption = None) -> None:
    """How well reviews go: approvals at first sight, regenerations, time to the film, ratings."""
    async with session.connect() as client:
        if episode:
            found = await client.episodes.metrics((await find_episode(client, episode, project)).id)
        else:
            found = await client.projects.metrics((await find_project(client, project)).id)
    if not session.as_json:
        _print(session, found)
    session.emit(found)


def _print(session: Session, found: Metrics) -> None:
    table = show.table("", "#Now", "Wanted")
    aims = found.targets
    rows = (
        ("Approved at first sight", _percent(found.first_time_approval_rate), "first_time_approval_rate", "> {:.0%}"),
        ("Made again", _percent(found.regeneration_rate), "regeneration_rate", "< {:.0%}"),
        ("Time to the film", show.clock(found.seconds_to_film), "seconds_to_film", "< {:.0f} s"),
        ("Rating of versions", _stars(found.mean_rating), "mean_rating", "> {:.1f}"),
        ("Rating of films", _stars(found.mean_film_rating), "mean_film_rating", "> {:.1f}"),
    )
    for label, now, name, form in rows:
        table.add_row(label, now, form.format(aims[name]) if name in aims else "")
    session.table(table)
    session.line(f"{found.segments_reviewed} segments reviewed in {found.decisions} decisions.")


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.0%}"


def _stars(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:.1f}"


@command
async def usage(
    session: Session,
    by: Annotated[str, typer.Option("--by", help="day, month, kind, provider, model or episode.")] = "day",
    since: Annotated[str | None, typer.Option("--since", metavar="DATE", help="From then on: 2026-01-31.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DATE", help="Before then.")] = None,
    project: ProjectOption = None,
) -> None:
    """What a project's runs cost."""
    if by not in GROUPS:
        raise UsageError(f"--by {by!r} is not known.", f"Choose one of: {', '.join(GROUPS)}.")
    for option, given in (("--since", since), ("--until", until)):
        _check_date(option, given)
    async with session.connect() as client:
        where = await find_project(client, project)
        found = await client.projects.usage(where.id, start=since, to=until, group_by=by)
    if not session.as_json:
        table = show.table(by.title(), "#Runs", "#Paid", "#Estimated", "")
        for group in found.groups:
            table.add_row(Text(group.key), str(group.runs), group.amount, group.estimated, group.currency)
        if found.groups:
            session.table(table)
        total = ", ".join(f"{m.amount} {m.currency}" for m in found.totals) or "nothing"
        session.line(f"In all: {total}", style="bold")
    session.emit(found)


def _check_date(option: str, given: str | None) -> None:
    try:
        datetime.fromisoformat(given or "2026-01-31")
    except ValueError:
        raise UsageError(f"{option} {given!r} is no date.", "Write it as 2026-01-31.") from None


@command
async def history(
    session: Session, limit: Limit = 50, episode: AllEpisodes = None, project: ProjectOption = None
) -> None:
    """Every decision: what, how good, why, who."""
    async with session.connect() as client:
        project_id, narrowed = await _where(client, episode, project)
        found = await client.projects.reviews(project_id, limit, **narrowed)
        numbers: dict[str | None, int] = {}
        for episode_id in {r.episode_id for r in found if r.segment_id and r.episode_id}:
            numbers |= {s.id: s.segment_number for s in (await client.episodes.get(episode_id)).segments}
    if not session.as_json:
        table = show.table("Age", "#Seg", "Kind", "Decision", "Rating", "Said", "Who")
        for review in found:
            said = " / ".join(s for s in (review.feedback, _changes(review.suggested_changes)) if s)
            table.add_row(
                show.ago(review.decided_at or review.created_at), str(numbers.get(review.segment_id, "")),
                review.kind.words if review.kind else "", _decision(review.action, review.verdict),
                "★" * (review.rating or 0), Text(said), Text(review.user_id or "by itself"),
            )  # fmt: skip
        if found:
            session.table(table)
        else:
            session.line("No decisions yet.")
    session.emit({"reviews": found})


def _decision(action: str | None, verdict: str | None) -> str:
    if action == "request_regeneration":
        return show.state("rejected").replace("rejected", "made again")
    return show.state(verdict or action)


def _changes(changes: dict[str, object] | None) -> str:
    return ", ".join(f"{k}: {v}" for k, v in (changes or {}).items())


@command
async def feed(session: Session, limit: Limit = 30, episode: AllEpisodes = None, project: ProjectOption = None) -> None:
    """What happened, newest first: every step of every run."""
    async with session.connect() as client:
        project_id, narrowed = await _where(client, episode, project)
        found = await client.projects.progress(project_id, limit, **narrowed)
    if not session.as_json:
        table = show.table("Age", "What", "State", "Message")
        for entry in found:
            where = f"{entry.segment_number} " if entry.segment_number else ""
            what = where + (entry.kind or "").replace("_", " ")
            table.add_row(show.ago(entry.at), Text(what), show.state(entry.state), Text(entry.message))
        if found:
            session.table(table)
        else:
            session.line("Nothing has happened yet.")
    session.emit({"progress": found})


@command
async def me(session: Session) -> None:
    """Who the gateway takes you for, and what you may ask of it."""
    async with session.connect() as client:
        found = await client.accounts.me()
    session.line(f"{found.name or found.user_id}  ({found.user_id})", style="bold")
    if quotas := found.quotas:
        session.line(
            f"{quotas.get('requests')} requests in {quotas.get('window_s')} s, {quotas.get('streams')} streams at once"
        )
        most = quotas.get("generations")
        session.line(f"{quotas.get('generations_used', 0)} generations in 24 hours" + (f", of {most}" if most else ""))
        spent, cap = quotas.get("spent"), quotas.get("spend")
        if spent:
            of = f", of {cap['amount']}" if cap else ""
            session.line(f"{spent['amount']} {spent['currency']} spent this month{of}")
    session.emit(found)


async def _where(client: AsyncRetake, episode: str | None, project: str | None) -> tuple[str, Filters]:
    if episode:
        found = await find_episode(client, episode, project)
        return found.project_id or "", {"episode_id": found.id}
    return (await find_project(client, project)).id, {}
