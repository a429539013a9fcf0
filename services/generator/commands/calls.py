"""Calls to remote providers, which cost money: each is paid only once, and none is left running unnoticed.

The row is written before the request is sent. A call that an earlier attempt left open is resumed: looked for at the
provider if it is unknown whether the request arrived, polled if it did, fetched again if it has finished.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from services.generator.domain.calls import ASKED_FOR, OPEN, Call, CallState, Handle
from services.generator.domain.problems import UNEXPECTED, problem_of
from services.generator.providers.base import (
    CallFailed,
    CallRunning,
    CallSucceeded,
    CandidateFile,
    CandidateRequest,
    OnProgress,
    ProviderHalted,
    ProviderThrottled,
    ProviderUnreachable,
    RemoteProvider,
    SubmissionUnknown,
)
from services.generator.store.calls import CallRepository
from services.generator.store.limiter import ProviderLimiter
from shared.contracts.messages import message, problem_text
from shared.core.clock import Clock
from shared.core.errors import Permanent, RetakeError, Retryable

log = structlog.get_logger(__name__)

UNREACHABLE_DELAY_S: Final = 15.0  # polling an API more often does not bring it back


@dataclass(frozen=True)
class RemoteMaker:
    """Implements `Maker` with a remote provider."""

    provider: RemoteProvider
    calls: CallRepository
    limiter: ProviderLimiter
    clock: Clock

    async def make(self, request: CandidateRequest, work: Path, on_progress: OnProgress) -> CandidateFile:
        try:
            call, handle = await self._submitted(request)
            result = await self._wait(call, handle, on_progress)
        except ProviderThrottled as e:
            await self.limiter.record_throttle(request.model.provider, e)
            raise
        except ProviderHalted as e:
            await self.limiter.open_breaker(request.model.provider, e)
            raise
        await self.calls.record_cost(call, result.cost)
        log.info("call.succeeded", call_id=call.call_id, provider_ref=handle.get("id"), cost=result.cost.amount)
        async with _paid_call_goes_on():
            file = await self.provider.fetch(request, result, work)
        log.info("call.fetched", call_id=call.call_id, size=file.path.stat().st_size)
        return file

    async def _submitted(self, request: CandidateRequest) -> tuple[Call, Handle]:
        call = await self.calls.find_open(request.run_id, request.position)
        if call and call.handle is not None:
            log.info("call.resumed", call_id=call.call_id)
            return await self._resumed(call, call.handle, request)
        if call:
            async with _paid_call_goes_on():
                reconciled = await reconcile_call(self.provider, self.calls, call)
            if reconciled and reconciled.handle is not None:
                return reconciled, reconciled.handle
        return await self._admit_and_submit(request)

    async def _resumed(self, call: Call, handle: Handle, request: CandidateRequest) -> tuple[Call, Handle]:
        """After the database was lost, events tell of a call no more than the provider's id."""
        await self.calls.tell(call, handle)
        if call.request is not None:
            return call, handle
        prepared = await self.provider.prepare(request)
        handle = self.provider.handle_of(str(handle["id"]), prepared)
        return await self.calls.complete_handle(call, handle, prepared), handle

    async def _admit_and_submit(self, request: CandidateRequest) -> tuple[Call, Handle]:
        wait_s = await self.limiter.admit(request)
        if wait_s:
            log.info("call.waiting_for_limit", seconds=round(wait_s, 1))
            await self.clock.sleep(wait_s)
        try:
            return await self._submit(request)
        except ProviderHalted:
            raise
        except RetakeError:
            await self.limiter.close_breaker(request.model.provider)
            raise

    async def _submit(self, request: CandidateRequest) -> tuple[Call, Handle]:
        call = await self.calls.record_intent(request, await self.provider.prepare(request))
        log.info("call.intended", call_id=call.call_id, provider=call.provider, model=call.model)
        try:
            handle = await self.provider.submit(call.call_id, request)
        except SubmissionUnknown:
            raise  # the row stays open: the next attempt looks for the prediction
        except RetakeError as e:
            await self.calls.finish(call, CallState.FAILED, problem_of(e))
            raise
        log.info("call.submitted", call_id=call.call_id, provider_ref=handle.get("id"))
        return await self.calls.mark_submitted(call, handle), handle

    async def _wait(self, call: Call, handle: Handle, on_progress: OnProgress) -> CallSucceeded:
        while True:
            async with _paid_call_goes_on():
                status = await self.provider.poll(handle)
            match status:
                case CallRunning(share, poll_after_s):
                    if share is not None:
                        on_progress(share)
                    await self.clock.sleep(poll_after_s)
                case CallSucceeded():
                    return status
                case CallFailed(error):
                    await _record_failure(self.calls, call, status)
                    raise error


@asynccontextmanager
async def _paid_call_goes_on() -> AsyncIterator[None]:
    """Around requests about a call that may be paid already: that one is not answered, is refused (also by a token
    that was withdrawn meanwhile), or is answered by nonsense, ends neither the call nor its run. The run asks again,
    until its age ends it. What the provider says about the call itself (Permanent, UserError) does end it."""
    try:
        yield
    except ProviderThrottled:
        raise  # the rate limit applies to every call
    except (Retryable, ProviderHalted) as e:
        requested_s = e.delay_s if isinstance(e, Retryable) else None
        delay_s = max(requested_s or 0.0, UNREACHABLE_DELAY_S)
        raise ProviderUnreachable(e.code, e.cause, e.recovery, delay_s=delay_s) from e
    except (RetakeError, OSError):
        raise
    except Exception as e:
        log.exception("call.unexpected")
        raise ProviderUnreachable(UNEXPECTED, *problem_text(UNEXPECTED), delay_s=UNREACHABLE_DELAY_S) from e


async def reconcile_call(provider: RemoteProvider, calls: CallRepository, call: Call) -> Call | None:
    """A call whose answer was lost, with the handle of its prediction; None if the request never arrived.

    Raises Retryable while that is unknown, or if another call adopted the same prediction a moment ago: each
    prediction belongs to one call. Raises Permanent if it can never be known.
    """
    try:
        handle = await provider.find_orphan(call, await calls.neighbours(call))
    except Permanent as e:
        if not isinstance(e, ProviderHalted):
            await calls.finish(call, CallState.LOST, problem_of(e), may_be_charged=True)
        raise
    if handle is None:
        log.warning("call.lost", call_id=call.call_id)
        await calls.finish(call, CallState.LOST)
        return None
    adopted = await calls.adopt(call, handle)
    if adopted is None:
        raise Retryable("provider_unsure", message("problem.provider_unsure"), delay_s=1.0)
    log.warning("call.adopted", call_id=call.call_id)
    return adopted


async def _record_failure(calls: CallRepository, call: Call, failure: CallFailed) -> None:
    if failure.cost is not None:
        await calls.record_cost(call, failure.cost)
    state = CallState.CANCELLED if failure.cancelled else CallState.FAILED
    await calls.finish(call, state, problem_of(failure.error), may_be_charged=failure.cost is None)


async def cancel_orphan(
    call_id: str, providers: Mapping[str, RemoteProvider], calls: CallRepository, clock: Clock
) -> bool:
    """Cancels a call whose run has ended, and records what the provider charges for it, or asks again what it charges
    for one that has ended. False while the provider does not say so and may yet.

    Raises Retryable while the provider does not answer, Permanent if it can never be known.
    """
    call = await calls.get(call_id)
    provider = providers.get(call.provider) if call else None
    if call is None or provider is None:
        return True
    if call.state in OPEN:
        submitted = call if call.handle is not None else await reconcile_call(provider, calls, call)
        if submitted is None or submitted.handle is None:
            return True
        outcome = await provider.cancel(submitted.handle)
        log.info("call.cancelled", call_id=call_id, run_id=call.run_id, outcome=outcome)
        return await _record_end(provider, submitted, submitted.handle, calls, clock)
    if call.charge_unknown and call.handle is not None:
        return await _record_end(provider, call, call.handle, calls, clock)
    return True


async def _record_end(
    provider: RemoteProvider, call: Call, handle: Handle, calls: CallRepository, clock: Clock
) -> bool:
    """False if what the call costs is not known, and the provider may say so later."""
    while True:
        match await provider.poll(handle):
            case CallRunning(_, poll_after_s):
                await clock.sleep(poll_after_s)
            case CallSucceeded(_, cost):
                await calls.record_cost(call, cost)
                await calls.finish(call, CallState.SUCCEEDED)
                return True
            case CallFailed(_, cost) as failure:
                await _record_failure(calls, call, failure)
                return cost is not None or clock.now() - call.intended_at > ASKED_FOR
