"""Probes untrusted files in a confined process, `probe_worker`, which a crafted file cannot harm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from shared.contracts.messages import message
from shared.core.confinement import Files
from shared.core.errors import Permanent
from shared.core.processes import ResourceLimits
from shared.media.probe import Probe
from shared.media.sandbox import unreadable
from shared.sandbox.jobs import run_job

TIMEOUT_S: Final = 300.0  # an hour of film on a slow disk is read in seconds
_LIMITS: Final = ResourceLimits(memory=3 << 30, cpu_s=120, file_size=4 << 30)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Probed:
    """`rate`: see `playability.steady_rate`. `index_first`: nothing needs to be rewritten so that it plays at once."""

    probe: Probe
    rate: str | None
    index_first: bool


async def probe_safely(path: Path, *, rate: bool = False, mend: bool = False) -> Probed | None:
    """What the file holds; None if it is an MP4 that is truncated. With `mend`, `strictness.mend_sound` first.

    Raises Permanent `media_unreadable`; Retryable if the process was ended from outside.
    """
    job = {"path": str(path.absolute()), "rate": rate, "mend": mend}
    files = Files(write=(path.parent,)) if mend else Files(read=(path,))
    try:
        result = await run_job(
            "services.generator.media.probe_worker", job, timeout_s=TIMEOUT_S, limits=_LIMITS, files=files
        )
    except Permanent as error:
        if error.code != "worker_failed":
            raise
        log.warning("probe.worker_failed", cause=error.cause)  # out of memory, or an error of the library
        raise unreadable(message("problem.media_contradictory")) from error
    if result["truncated"]:
        return None
    return Probed(Probe.from_json(result["probe"]), result["rate"], result["index_first"])
