"""What `--dry-run` prints: what would be started, about what it costs and how long it takes."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from client.cli import formatting
from client.cli.session import Session
from client.models import Estimate, Money

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be started, its cost and duration; start nothing.")
]


def report_estimate(session: Session, estimate: Estimate) -> None:
    if not session.as_json:
        table = formatting.table("#Seg", "Kind", "Model", "#Cost", "#Seconds")
        for run in estimate.runs:
            kind = run.kind.words if run.variants == 1 else f"{run.kind.words} × {run.variants}"
            seconds = "-" if run.seconds is None else f"{run.seconds:.0f}"
            number = str(run.segment_number or "-")
            table.add_row(number, kind, Text(run.model or "-"), money(run.cost), seconds)
        if estimate.runs:
            session.table(table)
        for piece in estimate.missing:
            place = f"Segment {piece.segment_number} {piece.kind.words}" if piece.segment_number else piece.kind.words
            session.warn(f"{place}: {piece.cause} {piece.recovery}")
        session.line(summary(estimate), style="bold")
    session.emit(estimate)


def summary(estimate: Estimate) -> str:
    """`Nothing was started. 6 runs, about 0.42 USD, about 2 min`."""
    count = len(estimate.runs)
    parts = ["1 run" if count == 1 else f"{count} runs"]
    parts += [f"about {money(cost)}" for cost in estimate.cost]
    if estimate.seconds is None:
        parts.append("duration not known yet")
    else:
        parts.append(f"about {formatting.clock(estimate.seconds)}")
    return f"Nothing was started. {', '.join(parts)}"


def money(cost: Money) -> str:
    return "free" if float(cost.amount) == 0 else f"{float(cost.amount):.2f} {cost.currency}"
