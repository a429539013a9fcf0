"""Showing a preview to a person and taking the decision."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from client.cli import show
from client.cli.ask import ask, choose, rating
from client.cli.session import Session
from client.models import Kind, Run, RunStatus, Version
from client.production import Accept, Reject


class Later(Exception):
    """The person does not want to decide now."""


def present(session: Session, run: Run, total: int | None = None) -> None:
    """The facts of what waits, and where it plays."""
    for version in run.versions:
        _present(session, run, version, total)
    for lost in run.lost:
        session.line(f"  One more was asked for and not made: {lost.text} {lost.recovery or ''}".rstrip(), style="red")


def _present(session: Session, run: Run, version: Version, total: int | None) -> None:
    where = f"Segment {run.segment_number}{f' of {total}' if total else ''}" if run.segment_number else "Episode"
    title = f"{where} · {run.kind.words} · version {version.number or '?'}"
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    _fact(facts, _asked(run.kind), version.directions)
    _fact(facts, "Model", version.model_slug)
    _fact(facts, "Made", show.media(version))
    _fact(facts, "Quality", show.quality(version))
    _fact(facts, "Unsigned", version.unsigned_reason)
    _fact(facts, "Cost", run.cost.text if run.cost else None)
    _fact(facts, "Decide", show.left(run.deadline) if run.deadline and run.status is RunStatus.PREVIEW_READY else None)
    session.say(Panel(facts, title=title, title_align="left", border_style="yellow", expand=False))
    if version.url:
        session.line(f"  {version.url}", style="underline")


def _fact(facts: Table, name: str, value: str | None) -> None:
    if value:
        facts.add_row(name, Text(value))


def _asked(kind: Kind) -> str:
    return {Kind.NARRATION: "Script", Kind.VIDEO: "Directions"}.get(kind, "Prompt")


async def decide(session: Session, run: Run, *, may_leave: bool) -> Accept | Reject:
    """Ask about a preview. Raises Later if the person leaves it (where that is possible)."""
    choices = "aro" + ("l" if may_leave else "")
    question = "[a]ccept, [r]eject, [o]pen in the player" + (", [l]ater?" if may_leave else "?")
    while True:
        match await choose(session, question, choices):
            case "a":
                return Accept(rating=await rating(session))
            case "r":
                return await _reject(session)
            case "l":
                raise Later
            case _:
                await _open(session, run)


async def _reject(session: Session) -> Reject:
    reason = await ask(session, "Why? (Enter: no reason)")
    changes = await ask(session, "What should change? It is added to the directions. (Enter: only another try)")
    return Reject(feedback=reason or None, changes={"prompt_modifications": changes} if changes else None)


async def _open(session: Session, run: Run) -> None:
    # Without a display a text browser might answer, and take over the terminal.
    display = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    for version in run.versions:
        opened = bool(display and version.url) and await asyncio.to_thread(webbrowser.open, version.url or "")
        if not opened:
            session.line("No player or browser could be started here; open the address above.")
            return
