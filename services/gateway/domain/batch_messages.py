"""What clients read of a batch: its message, and why it failed. Every asset that needs a person is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from services.gateway.domain.assets import asset_label
from services.gateway.domain.batch_planner import EXPIRED, BatchPlan, NamedItem
from services.gateway.domain.batches import BatchCounts, BatchStatus
from services.gateway.domain.messages import Message
from shared.contracts.messages import ProblemText, problem_text

MAX_NAMED: Final = 8
"""How many assets a sentence names; the batch's items have all of them."""


@dataclass(frozen=True)
class EpisodeCounts:
    """The segments of the whole episode, of which a batch may cover a part; approved ones have a committed video."""

    approved: int
    total: int


def batch_message(
    status: BatchStatus, counts: BatchCounts, plan: BatchPlan | None, episode: EpisodeCounts, *, compiles: bool
) -> Message:
    """`plan` None: a person has paused, resumed or cancelled the batch. Segments are counted over the episode, because
    `counts.current_segment` is a number of the episode."""
    match status:
        case BatchStatus.RUNNING if counts.current_segment is not None:
            return Message("run.segment_started", {"number": counts.current_segment, "total": episode.total})
        case BatchStatus.RUNNING:
            return Message("batch.finishing", {})
        case BatchStatus.WAITING_REVIEW:
            return _waiting(plan.held if plan else (), waits=plan is None or plan.waits_for_review)
        case BatchStatus.PAUSED:
            return Message("batch.paused", {})
        case BatchStatus.COMPLETED:
            return _completed(counts, episode, compiles=compiles)
        case BatchStatus.FAILED:
            return _failed(counts, plan.left if plan else ())
        case BatchStatus.CANCELLED:
            return Message("batch.cancelled", {})
        case _:
            assert_never(status)


def _waiting(held: Sequence[NamedItem], *, waits: bool) -> Message:
    if not held:
        return Message("batch.waiting_review", {})
    return Message("batch.held+batch.waiting_review" if waits else "batch.held", {"labels": _named(held)})


def _completed(counts: BatchCounts, episode: EpisodeCounts, *, compiles: bool) -> Message:
    if not counts.approved:
        return Message("batch.done", {})  # only music was generated, or every segment was skipped
    code = "batch.all_approved" if episode.approved == episode.total else "batch.some_approved"
    args = {"approved": episode.approved, "total": episode.total}
    return Message(code if compiles else f"{code}+batch.ready_to_compile", args)


def _failed(counts: BatchCounts, left: Sequence[NamedItem]) -> Message:
    expired, failed = _by_outcome(left)
    if not failed and not expired:
        return Message("batch.film_refused", {})
    segments = "batch.failed" if counts.failed and not expired else "batch.failed_assets"
    codes = ([segments] if failed else []) + (["batch.expired"] if expired else [])
    args = {"failed": counts.failed, "total": counts.total, "labels": _named(failed), "expired": _named(expired)}
    return Message("+".join(codes), args)


def left_problem(plan: BatchPlan) -> dict[str, Any]:
    """Why a batch failed: what was left, and what to do about it. An expired preview is reopened at no cost; another
    batch would generate, and pay for, it again."""
    expired, failed = _by_outcome(plan.left)
    texts: list[ProblemText] = []
    if expired:
        texts.append(problem_text("previews_expired", labels=_named(expired)))
    if failed:
        texts.append(problem_text("segments_left", labels=_named(failed, causes=True)))
    items = [{"asset_id": asset_id, **dict(item.problem)} for asset_id, item in plan.items.items() if item.problem]
    return {
        "code": "segments_left" if failed else "previews_expired",
        "cause": " ".join(t.cause for t in texts),
        "recovery": " ".join(t.recovery for t in texts),
        "retryable": True,
        "items": items,
    }


def _by_outcome(left: Sequence[NamedItem]) -> tuple[list[NamedItem], list[NamedItem]]:
    """(expired, failed)"""
    expired = [item for item in left if item.problem and item.problem["code"] == EXPIRED]
    return expired, [item for item in left if item not in expired]


def _named(items: Sequence[NamedItem], *, causes: bool = False) -> str:
    names = [
        f"{asset_label(i.kind, i.number)} ({i.problem['cause'].rstrip('.')})"
        if causes and i.problem
        else asset_label(i.kind, i.number)
        for i in items
    ]
    if len(names) <= MAX_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:MAX_NAMED])} and {len(names) - MAX_NAMED} more"
