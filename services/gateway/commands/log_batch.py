"""A batch's row is written and, if anything that clients see changed, told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.gateway.commands.announce import of_thing
from services.gateway.commands.ports import Store
from services.gateway.commands.rows import Batch
from services.gateway.domain.batches import BatchStatus, Counts
from shared.contracts.messages import message


async def log_batch(store: Store, batch: Batch, status: BatchStatus, counts: Counts, **changes: Any) -> None:
    if (status, counts) == (batch.status, batch.counts) and not changes:
        return
    code, args = _message(status, counts, batch)
    await _save(store, batch, status, counts, code, args, **changes)


async def log_start(store: Store, batch: Batch, total: int) -> None:
    """The first that is heard of a batch: how much it is going to make."""
    await _save(
        store, batch, batch.status, replace(batch.counts, total=total), "batch.started+batch.total", {"total": total}
    )


async def _save(
    store: Store, batch: Batch, status: BatchStatus, counts: Counts, code: str, args: dict[str, Any], **changes: Any
) -> None:
    now = store.now()
    ended = {"finished_at": now} if status in (BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED) else {}
    moved = await store.batches.save(
        batch,
        now,
        status=status.value,
        completed=counts.completed,
        approved=counts.approved,
        failed=counts.failed,
        total=counts.total,
        current_segment=counts.current_segment,
        message_code=code,
        message_args=args,
        **ended,
        **changes,
    )
    await store.log(
        of_thing(
            "batch-updated",
            batch.project_id,
            batch.episode_id,
            moved,
            status=status.value,
            text=message(code, **args),
            actor=batch.actor,
            batch_id=batch.batch_id,
            completed=counts.completed,
            approved=counts.approved,
            failed=counts.failed,
            total=counts.total,
            current_segment=counts.current_segment,
        )
    )


def _message(status: BatchStatus, counts: Counts, batch: Batch) -> tuple[str, dict[str, Any]]:
    match status:
        case BatchStatus.RUNNING if counts.current_segment is not None:
            return "run.segment_started", {"number": counts.current_segment, "total": counts.total}
        case BatchStatus.RUNNING:
            return "batch.finishing", {}
        case BatchStatus.WAITING_REVIEW:
            return "batch.waiting_review", {"number": counts.current_segment}
        case BatchStatus.PAUSED:
            return "batch.paused", {}
        case BatchStatus.COMPLETED:
            return _completed(counts, compiles=batch.compile is not None), {
                "approved": counts.approved,
                "total": counts.total,
            }
        case BatchStatus.FAILED:
            return "batch.failed", {"failed": counts.failed, "total": counts.total}
        case BatchStatus.CANCELLED:
            return "batch.cancelled", {}


def _completed(counts: Counts, *, compiles: bool) -> str:
    if not counts.approved:
        return "batch.done"  # music alone, or everything was skipped
    code = "batch.all_approved" if counts.approved == counts.total else "batch.some_approved"
    return code if compiles else f"{code}+batch.ready_to_compile"
