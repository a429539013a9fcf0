"""Probes untrusted files in a child process, `probe_worker`, which a crafted file cannot harm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from services.generator.media import worker_process as worker
from shared.contracts.messages import message
from shared.core.errors import Permanent
from shared.core.processes import ResourceLimits
from shared.media.probe import Probe
from shared.media.sandbox import unreadable

TIMEOUT_S: Final = 300.0  # an hour of film on a slow disk is read in seconds
_LIMITS: Final = ResourceLimits(memory=3 << 30, cpu_s=120, file_size=1 << 20)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Probed:
    """`rate`: see `playability.steady_rate`."""

    probe: Probe
    rate: str | None


async def probe_safely(path: Path, *, rate: bool = False) -> Probed | None:
    """What the file holds; None if it is an MP4 that is truncated.

    Raises Permanent `media_unreadable`; Retryable if the child was ended from outside.
    """
    job = {"path": str(path), "rate": rate}
    try:
        result = await worker.call("services.generator.media.probe_worker", job, timeout_s=TIMEOUT_S, limits=_LIMITS)
    except Permanent as error:
        if error.code != "worker_failed":
            raise
        log.warning("probe.worker_failed", cause=error.cause)  # out of memory, or an error of the library
        raise unreadable(message("problem.media_contradictory")) from error
    if result["truncated"]:
        return None
    found = result["probe"]
    found["colour"] = tuple(found["colour"])
    return Probed(Probe(**found), result["rate"])
