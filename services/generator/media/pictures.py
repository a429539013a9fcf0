"""Calls pictures.py, the child process that decodes pictures."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any, Final

import structlog

from services.generator.media import worker_process as worker
from shared.core.errors import Permanent, RetakeError, UserError
from shared.core.processes import child, read_tail

TIMEOUT_S: Final = 120.0

log = structlog.get_logger(__name__)

Refusal = type[Permanent] | type[UserError]


async def in_child(job: dict[str, Any], refusal: Refusal) -> dict[str, Any]:
    """What `pictures.work` returns; what it says is wrong with the file is raised as `refusal`."""
    argv = [sys.executable, "-m", "services.generator.media.picture_worker"]
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            child(argv, stdin=PIPE, stdout=PIPE, env=worker.environment()) as process,
        ):
            assert process.stdout is not None
            await worker.send(process, job)
            written, said = await asyncio.gather(process.stdout.read(), read_tail(process.stderr))
            code = await process.wait()
    except TimeoutError:
        raise _undecoded(refusal) from None
    if code:
        raise _failure(code, said, refusal)
    told: dict[str, Any] = json.loads(written)
    return told


def _failure(code: int, said: str, refusal: Refusal) -> RetakeError:
    failure = worker.failure(code, said)
    if failure.retryable:
        return failure
    if code != worker.EXPECTED:
        log.warning("picture.child_died", code=code, said=said[-500:])  # out of memory, or a decoder that fell over
        return _undecoded(refusal)
    return refusal(failure.code, failure.cause, failure.recovery)


def _undecoded(refusal: Refusal) -> RetakeError:
    return refusal("image_unreadable", "The picture could not be decoded.", "Save it again as JPEG and use that.")
