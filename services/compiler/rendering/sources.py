"""Reads untrusted files, and what ffmpeg made of them, in a confined process (`source_worker`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.compiler.rendering.mp4.samples import VideoIndex
from shared.contracts.frame_rates import Rate
from shared.contracts.messages import message
from shared.contracts.values import Output
from shared.core.confinement import Files
from shared.core.errors import Permanent
from shared.core.processes import ResourceLimits
from shared.media.probe import Probe
from shared.media.sandbox import unreadable
from shared.sandbox.channel import Job
from shared.sandbox.jobs import run_job

_TIMEOUT_S: Final = 300.0
_LIMITS: Final = ResourceLimits(memory=3 << 30, cpu_s=120, file_size=0)


async def probed(path: Path) -> Probe:
    """What a media file holds. Raises Permanent `media_unreadable`, as all of these do; Retryable if the reading
    process is ended from outside."""
    return Probe.from_json((await _read(path, {}))["probe"])


async def surveyed(path: Path, output: Output) -> tuple[Probe, VideoIndex | None]:
    """The same, and the index of a file that already is a clip for this output, as far as its packets show."""
    wanted = {"rate": str(output.rate), "width": output.width, "height": output.height}
    found = await _read(path, wanted)
    return Probe.from_json(found["probe"]), found["index"] and VideoIndex.from_json(found["index"])


async def video_index(path: Path, rate: Rate) -> VideoIndex:
    """Of a clip: see `read_video_index`, which also says what it raises."""
    return VideoIndex.from_json((await _read(path, {"rate": str(rate)}))["index"])


async def _read(path: Path, job: Job) -> Job:
    job = job | {"path": str(path.absolute())}
    try:
        return await run_job(
            "services.compiler.rendering.source_worker", job, timeout_s=_TIMEOUT_S, limits=_LIMITS,
            files=Files(read=(path,)),
        )  # fmt: skip
    except Permanent as error:
        if error.code != "worker_failed":
            raise
        raise unreadable(message("problem.media_contradictory")) from error  # out of memory, or an error of the library
