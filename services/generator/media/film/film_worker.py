"""Within a job: reads the frames of an untrusted film, and copies clips from it. `cutter` orders it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from services.generator.domain.film_splits import ClipSpan
from services.generator.media.film.packet_copy import copy_clips
from services.generator.media.film.timeline import read_timeline
from shared.sandbox.channel import Job


def work(job: Job) -> Job:
    """Job: path, and either whether clips may be `copyable`, or `spans` and the paths `to` of their clips.

    Result: the fields of the timeline; nothing for clips.
    """
    path = Path(job["path"])
    if "spans" in job:
        copy_clips(path, [ClipSpan(**span) for span in job["spans"]], [Path(to) for to in job["to"]])
        return {}
    timeline = asdict(read_timeline(path, copyable=job["copyable"]))
    return timeline | {name: sorted(timeline[name]) for name in ("starts", "ends")}
