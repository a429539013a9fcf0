"""Child process: reads what an untrusted file holds. `probing` starts it, with limits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.generator.media.playability import is_truncated, steady_rate
from services.generator.media.worker_process import serve
from shared.media.file_type import Form, sniff
from shared.media.probe import probe


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Job: path, and whether its frame `rate` is wanted. Result: `truncated`; if it is not, `probe` and `rate`."""
    path = Path(job["path"])
    if sniff(path) is Form.MP4 and is_truncated(path):
        return {"truncated": True}
    return {"truncated": False, "probe": asdict(probe(path)), "rate": steady_rate(path) if job["rate"] else None}


if __name__ == "__main__":
    serve(work)
