"""Looks into uploaded files, in a confined process (`media_worker`): a file from outside may be made to hurt its
reader."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import structlog

from services.gateway.domain.uploads import MAX_FILM_S, MediaFacts, media_kind, settled
from shared.contracts.messages import message, problem_text
from shared.core.confinement import Files
from shared.core.errors import Permanent, Retryable, UserError
from shared.core.machine import processors
from shared.core.processes import ResourceLimits
from shared.media.file_type import Form
from shared.sandbox.jobs import run_job

log = structlog.get_logger(__name__)

PROBE_S: Final = 60.0  # counting the packets of an hour of film takes seconds
AT_ONCE: Final = max(2, processors())
LIMITS: Final = ResourceLimits(memory=3 << 30, cpu_s=int(PROBE_S), file_size=1 << 20)  # it only looks
_WORKER: Final = "services.gateway.api.media_worker"


class MediaInspector:
    """Looks into `at_once` files at a time; the others wait for their turn."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._turns = asyncio.Semaphore(at_once)

    async def inspect(self, content_type: str, path: Path) -> MediaFacts:
        """What the file holds; `content_type` is what its first bytes tell. Raises UserError."""
        kind = media_kind(content_type)
        async with self._turns:
            found = await _look(kind, path)
        if kind == "image":
            return MediaFacts(content_type, found["width"], found["height"])
        content_type = settled(content_type, Form(found["form"]), bool(found.get("width")))
        if not found.get("width") and not found.get("audio_codec"):
            raise UserError("unreadable", *problem_text("upload_without_streams"))
        if media_kind(content_type) == "video" and not found.get("width"):  # its container is taken for films only
            raise UserError("unreadable", *problem_text("upload_container_of_sound"))
        seconds = float(found.get("duration_s") or 0)
        if seconds > MAX_FILM_S:
            raise UserError(
                "too_large",
                *problem_text("upload_too_long", minutes=f"{seconds / 60:.0f}", minutes_max=MAX_FILM_S // 60),
            )
        return MediaFacts(content_type, found.get("width"), found.get("height"), seconds, found.get("fps"))


async def _look(kind: str, path: Path) -> dict[str, Any]:
    job, files = {"kind": kind, "path": str(path.absolute())}, Files(read=(path,))
    try:
        return await run_job(_WORKER, job, timeout_s=PROBE_S, limits=LIMITS, files=files)
    except Permanent as error:
        if error.code == "worker_failed":
            log.warning("upload.reader_failed", kind=kind, cause=error.cause)
            raise UserError("unreadable", *problem_text("upload_hurts")) from None
        raise UserError("unreadable", error.cause, message("problem.upload_unreadable.recovery")) from None
    except Retryable as error:
        if error.code == "worker_timeout":
            raise UserError("unreadable", *problem_text("upload_too_slow")) from None
        log.warning("upload.reader_failed", kind=kind, cause=error.cause)
        raise UserError("unreadable", *problem_text("upload_hurts")) from None
