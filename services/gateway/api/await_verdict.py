"""Waits for review's word after a decision was handed in: at most five seconds, then the stream tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from services.gateway.api.context import Answer, Call, Doing
from services.gateway.api.headers import Preference, location
from services.gateway.api.prefer_wait import then_wait
from services.gateway.commands.enter_run import Admitted
from services.gateway.commands.read_verdict import Verdict, read_verdict

VERDICT_S: Final = 5.0


async def verdict(call: Call, decision_id: str) -> Verdict | None:
    """None: still pending. Raises Refusal already-decided if the decision came too late."""

    async def look() -> Verdict | None:
        async with call.parts.glancing() as connection:
            found = await read_verdict(call.parts.stores(connection), decision_id)
            return None if found.verdict == "pending" else found

    with call.parts.slots.wait() as may:
        return await call.parts.hub.wait_for(decision_id, look, VERDICT_S if may else 0)


def after_verdict(call: Call, prefer: Preference) -> Callable[[Answer], Awaitable[Answer]] | None:
    """From 202 with the pending review to 200 with the decided one."""
    if prefer.respond_async:
        return None

    async def wait(answer: Answer) -> Answer:
        assert answer.body is not None
        review_id = answer.body["id"]
        if await verdict(call, review_id) is None:
            return answer
        async with call.parts.glancing() as connection:
            return Answer(200, await call.doing(connection).views.review(review_id), answer.headers)

    return wait


class Starting:
    """A command that starts a run; if that closes a waiting preview, review is heard first."""

    def __init__(self, call: Call, prefer: Preference) -> None:
        self._call = call
        self._prefer = prefer
        self._decision_id: str | None = None

    async def answer(self, d: Doing, admitted: Admitted) -> Answer:
        self._decision_id = admitted.decision_id
        return Answer(202, await d.views.run(admitted.run_id), location(f"/runs/{admitted.run_id}"))

    async def then(self, answer: Answer) -> Answer:
        assert answer.body is not None
        run_id = answer.body["id"]
        if self._decision_id and not self._prefer.respond_async:
            await verdict(self._call, self._decision_id)
            answer = replace(answer, body=await self._call.read(lambda d: d.views.run(run_id)))
        rest = then_wait(self._call, "run", self._prefer)
        return await rest(answer) if rest else answer
