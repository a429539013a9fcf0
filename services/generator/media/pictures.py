"""Decodes pictures in a child process, `picture_worker`, which a crafted file cannot harm."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from typing import Any, Final

import structlog

from services.generator.media import worker_process as worker
from shared.contracts.messages import problem_text
from shared.core.errors import Permanent, RetakeError, UserError
from shared.core.processes import child, read_tail

TIMEOUT_S: Final = 120.0

log = structlog.get_logger(__name__)

ErrorType = type[Permanent] | type[UserError]


async def process_picture(job: dict[str, Any], error: ErrorType) -> dict[str, Any]:
    """The result of `picture_worker.work`. Raises `error` if something is wrong with the picture, else Retryable."""
    argv = [sys.executable, "-m", "services.generator.media.picture_worker"]
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            child(argv, stdin=PIPE, stdout=PIPE, env=worker.environment(), offline=True) as process,
        ):
            assert process.stdout is not None
            await worker.send(process, job)
            output, errors = await asyncio.gather(process.stdout.read(), read_tail(process.stderr))
            code = await process.wait()
    except TimeoutError:
        raise _undecodable(error) from None
    if code:
        raise _failure(code, errors, error)
    result: dict[str, Any] = json.loads(output)
    return result


def _failure(code: int, errors: str, error: ErrorType) -> RetakeError:
    failure = worker.failure(code, errors)
    if failure.retryable:
        return failure
    if code != worker.EXPECTED:
        log.warning("picture.worker_died", code=code, stderr=errors[-500:])  # out of memory, or a crashed decoder
        return _undecodable(error)
    return error(failure.code, failure.cause, failure.recovery)


def _undecodable(error: ErrorType) -> RetakeError:
    return error("image_unreadable", *problem_text("picture_undecodable"))
