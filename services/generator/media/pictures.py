"""Decodes pictures in a confined process, `picture_worker`, which a crafted file cannot harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import structlog

from shared.contracts.messages import problem_text
from shared.core.confinement import Files
from shared.core.errors import Permanent, Retryable, UserError
from shared.core.processes import ResourceLimits
from shared.sandbox.jobs import run_job

TIMEOUT_S: Final = 120.0
LIMITS: Final = ResourceLimits(memory=3 << 30, cpu_s=90, file_size=256 << 20)
_ENDED: Final = ("worker_failed", "worker_timeout")

log = structlog.get_logger(__name__)

ErrorType = type[Permanent] | type[UserError]


async def process_picture(job: dict[str, Any], error: ErrorType) -> dict[str, Any]:
    """The result of `picture_worker.work`. Raises `error` if something is wrong with the picture, else Retryable."""
    written = {Path(job[name]).parent for name in ("out", "poster") if job.get(name)}
    files = Files(read=(Path(job["path"]),), write=tuple(written))
    try:
        return await run_job(
            "services.generator.media.picture_worker", job, timeout_s=TIMEOUT_S, limits=LIMITS, files=files
        )
    except (Permanent, Retryable) as failure:
        if failure.code in _ENDED:  # out of memory or time, or an error of a decoder
            log.warning("picture.worker_failed", cause=failure.cause)
            raise error("image_unreadable", *problem_text("picture_undecodable")) from None
        if isinstance(failure, Retryable):
            raise
        raise error(failure.code, failure.cause, failure.recovery) from None
