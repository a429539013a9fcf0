"""Within a job: reads what an untrusted file holds. `probing` orders it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from services.generator.media.playability import index_is_first, is_truncated, steady_rate
from services.generator.media.strictness import mend_sound
from shared.media.file_type import Form, sniff
from shared.media.probe import probe
from shared.sandbox.channel import Job


def work(job: Job) -> Job:
    """Job: path; whether its frame `rate` is wanted, and whether to `mend` its sound in place.

    Result: `truncated`; if it is not, `probe`, `rate`, and whether an MP4 has its index first.
    """
    path = Path(job["path"])
    if job["mend"]:
        mend_sound(path)
    is_mp4 = sniff(path) is Form.MP4
    if is_mp4 and is_truncated(path):
        return {"truncated": True}
    return {
        "truncated": False,
        "probe": asdict(probe(path)),
        "rate": steady_rate(path) if job["rate"] else None,
        "index_first": not is_mp4 or index_is_first(path),
    }
