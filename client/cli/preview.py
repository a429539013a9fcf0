"""Showing previews, and asking for the decision about them."""

from __future__ import annotations

import asyncio

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from client.browser import open_page
from client.cli import formatting
from client.cli.exit_codes import UsageError
from client.cli.prompts import ask, ask_rating, choose
from client.cli.session import Session
from client.film_workflow import Accept, Reject
from client.models import AssetKind, Review, Run, RunStatus, Version


class Postponed(Exception):
    """The user postponed the decision."""


def present(session: Session, run: Run, total: int | None = None) -> None:
    """Print the facts and the address of each version of a run."""
    for number, version in enumerate(run.versions, 1):
        variant = f" · variant {number} of {len(run.versions)}" if len(run.versions) > 1 else ""
        _present(session, run, version, total, variant)
    for lost in run.lost:
        session.line(f"  One variant failed: {lost.text} {lost.recovery or ''}".rstrip(), style="red")


def _present(session: Session, run: Run, version: Version, total: int | None, variant: str) -> None:
    segment = f"Segment {run.segment_number}{f' of {total}' if total else ''}" if run.segment_number else "Episode"
    title = f"{segment} · {run.kind.words} · version {version.number or '?'}{variant}"
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    _fact(facts, _directions_label(run.kind), version.directions)
    _fact(facts, "Model", version.model_slug)
    language = version.settings.get("language")
    if language and language.confidence is not None:
        _fact(
            facts,
            "Language",
            f"{language.value} ({language.source_text}; set it: retake settings set narration.language=…)",
        )
    _fact(facts, "File", formatting.media(version))
    _fact(facts, "Differs", "; ".join(difference.text for difference in version.differences))
    _fact(facts, "Quality", formatting.quality(version))
    _fact(facts, "Unsigned", version.unsigned_reason)
    _fact(facts, "Cost", run.cost.text if run.cost else None)
    _fact(
        facts,
        "Deadline",
        formatting.left(run.deadline) if run.deadline and run.status is RunStatus.PREVIEW_READY else None,
    )
    session.say(Panel(facts, title=title, title_align="left", border_style="yellow", expand=False))
    if version.photosensitivity_warning:
        session.warn(version.photosensitivity_warning)
    if version.url:
        session.line(f"  {version.url}", style="underline")


def _fact(facts: Table, name: str, value: str | None) -> None:
    if value:
        facts.add_row(name, Text(value))


def _directions_label(kind: AssetKind) -> str:
    return {AssetKind.NARRATION: "Script", AssetKind.VIDEO: "Directions"}.get(kind, "Prompt")


def select_variant(run: Run, variant: int | None, version_id: str | None = None) -> str | None:
    """The id of the version to accept: `variant` counts from 1, in the order of `present`; a single version needs none.

    Raises UsageError if there are several and none is named, or if there is no such variant.
    """
    count = len(run.versions)
    if variant is not None:
        if variant > count:
            raise UsageError(
                f"There is no variant {variant}: run {run.id} has {count}.", f"See: retake runs show {run.id}"
            )
        return run.versions[variant - 1].id
    if version_id is None and count > 1:
        raise UsageError(
            f"Run {run.id} has {count} variants: {_variants(run)}.",
            f"Name the one to accept: retake review {run.id} --accept --variant 1",
        )
    return version_id


def _variants(run: Run) -> str:
    return ", ".join(f"{n} (version {v.number})" if v.number else str(n) for n, v in enumerate(run.versions, 1))


async def ask_variant(session: Session, run: Run) -> str | None:
    """The id of the version to accept; asks if there are several."""
    if len(run.versions) < 2:
        return None
    numbers = "".join(str(n) for n in range(1, len(run.versions) + 1))
    number = await choose(session, f"Accept which variant, 1 to {len(run.versions)}?", numbers)
    return run.versions[int(number) - 1].id


async def ask_decision(session: Session, run: Run, *, can_postpone: bool) -> Accept | Reject:
    """Ask for a decision about a preview. Raises Postponed, with `can_postpone`, if the user decides later."""
    choices = "aro" + ("l" if can_postpone else "")
    question = "[a]ccept, [r]eject, [o]pen in a player" + (", decide [l]ater?" if can_postpone else "?")
    while True:
        match await choose(session, question, choices):
            case "a":
                return Accept(rating=await ask_rating(session))
            case "r":
                return await _reject(session)
            case "l":
                raise Postponed
            case _:
                await _open(session, run)


async def _reject(session: Session) -> Reject:
    reason = await ask(session, "Reason (Enter to skip):")
    changes = await ask(session, "Change to add to the directions (Enter to try again unchanged):")
    return Reject(feedback=reason or None, changes={"prompt_modifications": changes} if changes else None)


async def _open(session: Session, run: Run) -> None:
    for version in run.versions:
        opened = version.url is not None and await asyncio.to_thread(open_page, version.url)
        if not opened:
            session.line("No player or browser could be started; open the address above.")
            return


def review_line(run: Run, review: Review) -> tuple[str, str | None]:
    """One line about the outcome of a decision, and its style."""
    asset = f"Segment {run.segment_number}'s {run.kind.words}" if run.segment_number else run.kind.words.title()
    match review.verdict:
        case "accepted":
            return f"✓ {asset} accepted", "green"
        case "rejected" if review.next_run_id:
            return f"↻ {asset} rejected; regenerating it (run {review.next_run_id})", "magenta"
        case "rejected":
            return f"✗ {asset} rejected; the committed version is unchanged", "magenta"
        case _:
            return f"{asset}: the decision is being processed", None
