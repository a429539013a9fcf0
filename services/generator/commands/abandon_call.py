"""A run ended while its provider was still at work: stop the provider, and write down what it charges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from services.generator.commands.take_up_call import take_up
from services.generator.providers.base import Calls, CallState, RemoteProvider, Running, Stopped, Succeeded
from shared.core.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class AbandonCall:
    providers: Mapping[str, RemoteProvider]
    calls: Calls
    clock: Clock

    async def __call__(self, call_id: str) -> None:
        """Raises Retryable while the provider does not answer."""
        call = await self.calls.load(call_id)
        provider = self.providers.get(call.provider) if call else None
        if call is None or provider is None or call.state not in (CallState.INTENDED, CallState.SUBMITTED):
            return None
        found = call if call.handle is not None else await take_up(provider, self.calls, call)
        if found is None or found.handle is None:
            return None
        handle = found.handle
        answer = await provider.cancel(handle)
        log.info("call.abandoned", call_id=call_id, run_id=call.run_id, answer=answer)
        while True:
            match await provider.look(handle):
                case Running(_, again_s):
                    await self.clock.sleep(again_s)
                case Succeeded(_, cost):
                    await self.calls.charge(call, cost)
                    return await self.calls.end(call, CallState.SUCCEEDED)
                case Stopped(_, cost, cancelled):
                    await self.calls.charge(call, cost)
                    return await self.calls.end(call, CallState.CANCELLED if cancelled else CallState.FAILED)
