"""Makes a candidate with a provider elsewhere, and never pays for it twice.

The row is written before the request. Whatever an earlier attempt left open is taken up: looked for at the provider
if nobody knows whether it arrived, waited for if it did, fetched again if it was done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from services.generator.commands.ports import Made, Order, Share
from services.generator.commands.take_up_call import take_up
from services.generator.domain.problems import problem_of
from services.generator.providers.base import (
    Call,
    Calls,
    CallState,
    Halted,
    Handle,
    RemoteProvider,
    Running,
    Stopped,
    Succeeded,
    Throttled,
    Turnstile,
    Unreached,
    Unsure,
)
from shared.core.clock import Clock
from shared.core.errors import RetakeError, Retryable

log = structlog.get_logger(__name__)

LOOK_AGAIN_S: Final = 15.0  # a provider's API that is away is not helped by being asked more often


@dataclass(frozen=True)
class RemoteMaker:
    """Implements `ports.Maker`."""

    provider: RemoteProvider
    calls: Calls
    turnstile: Turnstile
    clock: Clock

    async def make(self, order: Order, work: Path, share: Share) -> Made:
        try:
            call, handle = await self._submitted(order)
            done = await self._wait(call, handle, share)
        except Throttled as e:
            await self.turnstile.throttled(order.model.provider, e)
            raise
        except Halted as e:
            await self.turnstile.halted(order.model.provider, e)
            raise
        await self.calls.charge(call, done.cost)
        log.info("call.done", call_id=call.call_id, provider_ref=handle.get("id"), cost=done.cost.amount)
        async with _patient():
            made = await self.provider.fetch(order, done, work)
        log.info("call.fetched", call_id=call.call_id, size=made.path.stat().st_size)
        return made

    async def _submitted(self, order: Order) -> tuple[Call, Handle]:
        call = await self.calls.open(order.run_id, order.position)
        if call and call.handle is not None:
            log.info("call.resumed", call_id=call.call_id)
            return call, call.handle
        if call:
            async with _patient():
                found = await take_up(self.provider, self.calls, call)
            if found and found.handle is not None:
                return found, found.handle
        return await self._submit(order)

    async def _submit(self, order: Order) -> tuple[Call, Handle]:
        wait_s = await self.turnstile.enter(order)
        if wait_s:
            log.info("call.waits", seconds=round(wait_s, 1))
            await self.clock.sleep(wait_s)
        try:
            return await self._sent(order)
        except Halted:
            raise
        except RetakeError:
            await self.turnstile.heard(order.model.provider)
            raise

    async def _sent(self, order: Order) -> tuple[Call, Handle]:
        call = await self.calls.intend(order, await self.provider.prepare(order))
        log.info("call.intended", call_id=call.call_id, provider=call.provider, model=call.model)
        try:
            handle = await self.provider.submit(call.call_id, order)
        except Unsure:
            raise  # the row stays open: the next attempt looks for it
        except RetakeError as e:
            await self.calls.end(call, CallState.FAILED, problem_of(e))
            raise
        log.info("call.submitted", call_id=call.call_id, provider_ref=handle.get("id"))
        return await self.calls.submitted(call, handle), handle

    async def _wait(self, call: Call, handle: Handle, share: Share) -> Succeeded:
        while True:
            async with _patient():
                found = await self.provider.look(handle)
            match found:
                case Running(done, again_s):
                    if done is not None:
                        share(done)
                    await self.clock.sleep(again_s)
                case Succeeded():
                    return found
                case Stopped(error, cost, cancelled):
                    await self.calls.charge(call, cost)
                    state = CallState.CANCELLED if cancelled else CallState.FAILED
                    await self.calls.end(call, state, problem_of(error))
                    raise error


@asynccontextmanager
async def _patient() -> AsyncIterator[None]:
    """For what is asked about a call that may have been paid."""
    try:
        yield
    except Throttled:
        raise  # its pace holds for everybody
    except Retryable as e:
        raise Unreached(e.code, e.cause, e.recovery, delay_s=max(e.delay_s or 0.0, LOOK_AGAIN_S)) from e
