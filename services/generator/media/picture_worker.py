"""Within a job: decodes an untrusted picture, and writes it as a plain JPEG, or its poster. `pictures` orders it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from PIL import Image

from services.generator.media.photographs import load_photograph
from shared.contracts.messages import problem_text
from shared.core.errors import Permanent
from shared.media.pictures import opened

MIN_SIDE: Final = 64
MAX_SIDE: Final = 4096
POSTER: Final = (640, 640)


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Job: path, and the optional paths `out` (the picture as JPEG) and `poster`. Result: width, height, format."""
    path = Path(job["path"])
    size, source = _look(path)
    photo = load_photograph(path, at_least=min(max(size), MAX_SIDE))
    if job.get("out"):
        photo.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
        photo.save(job["out"], "JPEG", quality=95, subsampling=0)
    if job.get("poster"):
        small = photo.copy()
        small.thumbnail(POSTER, Image.Resampling.LANCZOS)
        small.save(job["poster"], "JPEG", quality=85)
    return {"width": photo.width, "height": photo.height, "format": source}


def _look(path: Path) -> tuple[tuple[int, int], str]:
    """Size and format from the header alone, before anything is decoded."""
    with opened(path) as image:
        size, source = image.size, image.format or ""
    if min(size) < MIN_SIDE:
        raise Permanent(
            "image_too_small", *problem_text("image_too_small", width=size[0], height=size[1], shortest_side=MIN_SIDE)
        )
    return size, source
