"""Commits an accepted version: the committed pointer moves to it, unless another commit moved the pointer meanwhile."""

from __future__ import annotations

from datetime import datetime

import structlog

from services.generator.domain.problems import problem_of, superseded
from services.generator.domain.retention import RetirementReason, surplus
from services.generator.domain.runs import Run, commit_time, complete, failed
from services.generator.domain.states import RunState, may_become
from services.generator.store.versions import PendingCommit, VersionRepository
from shared.contracts.events.review import Accepted
from shared.messaging.events import Message

log = structlog.get_logger(__name__)


async def commit_version(versions: VersionRepository, message: Message[Accepted], now: datetime) -> Run | None:
    """The run as it ended, or None if there was nothing to commit."""
    accepted = message.event
    pending = await versions.lock_pending(accepted.run_id, accepted.version_id)
    if pending is None:
        await versions.park(accepted.run_id, message)
        return None
    if not may_become(pending.run.state, RunState.COMPLETE):
        log.info("accept.late", state=pending.run.state)
        return None
    if pending.candidate is None:
        log.warning("accept.not_a_candidate", version_id=accepted.version_id)
        return None
    if pending.commit_seq != pending.base_commit_seq:
        return await _supersede(versions, pending, now)
    return await _commit(versions, pending, message, now)


async def _commit(
    versions: VersionRepository, pending: PendingCommit, message: Message[Accepted], now: datetime
) -> Run:
    assert pending.candidate is not None
    retired = _retired(pending, pending.candidate.version_id)
    updated_at = commit_time(now, pending.updated_at)
    run = await versions.commit(pending, updated_at, retired)
    log.info("run.committed", run_id=run.run_id, version_id=pending.candidate.version_id)
    await versions.publish(
        message.cause,
        complete(
            run,
            pending.candidate,
            commit_seq=pending.commit_seq + 1,
            previous=pending.committed_version_id,
            updated_at=updated_at,
            retired=list(retired),
            actor=message.event.actor,
        ),
    )
    return run


def _retired(pending: PendingCommit, chosen: str) -> dict[str, RetirementReason]:
    """Accepted versions beyond the number that is kept, and the replaced one if the run asked not to keep it."""
    previous = pending.committed_version_id
    keep = pending.run.request.keep_original or previous in (None, chosen)
    retired = {} if keep or previous is None else {previous: RetirementReason.REPLACED}
    kept = [v for v in pending.accepted if v not in retired]
    return retired | dict.fromkeys(surplus(kept, chosen), RetirementReason.SURPLUS)


async def _supersede(versions: VersionRepository, pending: PendingCommit, now: datetime) -> Run | None:
    problem = problem_of(superseded())
    run = await versions.end(pending.run.run_id, RunState.FAILED, now, problem=problem)
    if run:
        await versions.publish(run.cause, failed(run, problem))
    return run
