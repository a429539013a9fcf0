"""Within a job: reads the Content Credentials of a file. `provenance` orders it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.media.c2pa import content_type_of
from shared.media.c2pa_reading import read


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Job: `path` and its declared `content_type`. Result: the fields of `Credentials`."""
    path = Path(job["path"])
    return asdict(read(path, content_type_of(path, job["content_type"])))
