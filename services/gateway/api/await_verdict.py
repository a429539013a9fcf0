"""Waits for the verdict of the review service after a decision was submitted: five seconds at most. Later verdicts
arrive on the stream."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from services.gateway.api.context import RequestContext
from services.gateway.api.headers import Preference
from services.gateway.api.prefer_wait import until_rest
from services.gateway.api.responses import Result
from services.gateway.api.schemas.runs import Run
from services.gateway.commands.reviews import DecisionOutcome, read_outcome

VERDICT_S: Final = 5.0

_run_at_rest = until_rest("run")


async def _verdict(context: RequestContext, decision_id: str) -> DecisionOutcome | None:
    """None: still pending. Raises Refusal already-decided if the decision came too late."""

    async def find() -> DecisionOutcome | None:
        async with context.single_read() as work:
            found = await read_outcome(work.store, decision_id)
        return None if found.verdict == "pending" else found

    with context.state.concurrency.wait() as admitted:
        return await context.state.hub.wait_for(decision_id, find, VERDICT_S if admitted else 0)


async def until_verdicts(context: RequestContext, decision_ids: Collection[str]) -> None:
    """Waits for all of these verdicts together."""

    async def find() -> bool | None:
        async with context.single_read() as work:
            return None if await work.store.reviews.any_pending(decision_ids) else True

    with context.state.concurrency.wait() as admitted:
        await context.state.hub.wait_for(decision_ids, find, VERDICT_S if admitted else 0)


async def until_verdict(context: RequestContext, prefer: Preference, result: Result) -> Result:
    """From 202 with the pending review to 200 with the decided one."""
    if prefer.respond_async or result.decision_id is None:
        return result
    if await _verdict(context, result.decision_id) is None:
        return result
    async with context.single_read() as work:
        return Result(200, await work.queries.review(result.decision_id), result.headers)


async def until_run_rests(context: RequestContext, prefer: Preference, result: Result) -> Result:
    """For commands that start a run. If that closes a preview, the verdict on it comes first."""
    if result.decision_id is not None and not prefer.respond_async:
        assert isinstance(result.body, Run)
        await _verdict(context, result.decision_id)
        async with context.snapshot() as work:
            result = replace(result, body=await work.queries.run(result.body.id))
    return await _run_at_rest(context, prefer, result)
