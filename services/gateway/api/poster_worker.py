"""Within a job: a poster in another size. `poster_sizes` orders it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from PIL import Image

from shared.media.pictures import opened

QUALITY: Final = {"JPEG": 85, "WEBP": 80}


def work(job: dict[str, Any]) -> dict[str, int]:
    """Job: `path` of the poster, `out`, `width` in pixels, `format` (JPEG or WEBP). Result: its width and height; a
    poster that is narrower stays as wide as it is.

    Raises Permanent for what is no picture.
    """
    with opened(Path(job["path"])) as poster:
        poster.draft("RGB", (job["width"], poster.height))  # a JPEG at a fraction of its size
        picture = poster.convert("RGB")
    picture.thumbnail((job["width"], picture.height), Image.Resampling.LANCZOS)
    picture.save(job["out"], job["format"], quality=QUALITY[job["format"]])
    return {"width": picture.width, "height": picture.height}
