"""Takes up a call whose answer never came: each prediction belongs to one call, whoever looks for it and when."""

from __future__ import annotations

import structlog

from services.generator.providers.base import Call, Calls, CallState, RemoteProvider
from shared.core.errors import Retryable

log = structlog.get_logger(__name__)


async def take_up(provider: RemoteProvider, calls: Calls, call: Call) -> Call | None:
    """The call with its handle; None if it never arrived. Raises Retryable while nobody knows, and if another call
    took the same prediction a moment ago."""
    handle = await provider.find_orphan(call, await calls.beside(call))
    if handle is None:
        log.warning("call.lost", call_id=call.call_id)
        await calls.end(call, CallState.LOST)
        return None
    adopted = await calls.adopt(call, handle)
    if adopted is None:
        raise Retryable("provider_unsure", "Another call was found to be the owner of what was found.", delay_s=1.0)
    log.warning("call.adopted", call_id=call.call_id)
    return adopted
