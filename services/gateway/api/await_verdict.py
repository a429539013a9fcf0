"""Waits for review's word after a decision was handed in: at most five seconds, then the stream tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from services.gateway.api.context import RequestContext, Result, UnitOfWork
from services.gateway.api.headers import Preference, location
from services.gateway.api.prefer_wait import then_wait
from services.gateway.commands.reviews import DecisionOutcome, read_outcome
from services.gateway.commands.run_admission import AdmittedRun

VERDICT_S: Final = 5.0


async def verdict(context: RequestContext, decision_id: str) -> DecisionOutcome | None:
    """None: still pending. Raises Refusal already-decided if the decision came too late."""

    async def look() -> DecisionOutcome | None:
        async with context.parts.glancing() as connection:
            found = await read_outcome(context.parts.stores(connection), decision_id)
            return None if found.verdict == "pending" else found

    with context.parts.concurrency.wait() as may:
        return await context.parts.hub.wait_for(decision_id, look, VERDICT_S if may else 0)


def after_verdict(context: RequestContext, prefer: Preference) -> Callable[[Result], Awaitable[Result]] | None:
    """From 202 with the pending review to 200 with the decided one."""
    if prefer.respond_async:
        return None

    async def wait(answer: Result) -> Result:
        assert answer.body is not None
        review_id = answer.body["id"]
        if await verdict(context, review_id) is None:
            return answer
        async with context.parts.glancing() as connection:
            return Result(200, await context.doing(connection).views.review(review_id), answer.headers)

    return wait


class Starting:
    """A command that starts a run; if that closes a waiting preview, review is heard first."""

    def __init__(self, context: RequestContext, prefer: Preference) -> None:
        self._context = context
        self._prefer = prefer
        self._decision_id: str | None = None

    async def answer(self, work: UnitOfWork, admitted: AdmittedRun) -> Result:
        self._decision_id = admitted.decision_id
        return Result(202, await work.views.run(admitted.run_id), location(f"/runs/{admitted.run_id}"))

    async def then(self, answer: Result) -> Result:
        assert answer.body is not None
        run_id = answer.body["id"]
        if self._decision_id and not self._prefer.respond_async:
            await verdict(self._context, self._decision_id)
            answer = replace(answer, body=await self._context.read(lambda work: work.views.run(run_id)))
        rest = then_wait(self._context, "run", self._prefer)
        return await rest(answer) if rest else answer
