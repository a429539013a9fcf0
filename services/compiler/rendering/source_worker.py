"""Within a job: reads what a clip, or the source of one, holds. `sources` orders it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from services.compiler.rendering.mp4.samples import VideoIndex, read_video_index
from shared.contracts.frame_rates import exact_rate
from shared.core.errors import Permanent
from shared.media.probe import probe
from shared.sandbox.channel import Job


def work(job: Job) -> Job:
    """Job: path; without more, `probe` is the result. With a `rate`, it is `index` of a clip. With `width` and
    `height`, too, it is `probe`, and `index` if the file already is a clip of this size and rate."""
    path = Path(job["path"])
    if "rate" not in job:
        return {"probe": asdict(probe(path))}
    if "width" not in job:
        return {"index": read_video_index(path, exact_rate(job["rate"])).to_json()}
    found = probe(path)
    is_of_size = not found.turned and (found.width, found.height) == (job["width"], job["height"])
    index = _index(path, job["rate"]) if is_of_size else None
    return {"probe": asdict(found), "index": index and index.to_json()}


def _index(path: Path, rate: str) -> VideoIndex | None:
    try:
        return read_video_index(path, exact_rate(rate))
    except Permanent:
        return None
