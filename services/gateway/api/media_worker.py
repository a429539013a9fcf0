"""Within a job: what an uploaded file holds. `media_inspection` orders it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from services.gateway.domain.uploads import SNIFFED_BYTES, TAIL_BYTES, hidden_content, sniff
from shared.contracts.messages import problem_text
from shared.core.errors import Permanent, UserError
from shared.media import file_type, pictures
from shared.media.probe import probe
from shared.sandbox.channel import Job

_LOOKED_AT: Final = 1024  # pixels


def work(job: Job) -> Job:
    """Job: path, and `kind` (image, audio, video). Result: width and height, or what `probe` finds and the `form`.

    Raises UserError or Permanent for what is not taken.
    """
    path = Path(job["path"])
    _only_one_thing(path)
    return _picture(path) if job["kind"] == "image" else _streams(path)


def _only_one_thing(path: Path) -> None:
    """What is a picture to one reader and a program to the next is not kept, let alone handed out."""
    with path.open("rb") as file:
        content_type = sniff(file.read(SNIFFED_BYTES)) or ""
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        hidden = hidden_content(content_type, file.read())
    if hidden:
        raise UserError("unreadable", *problem_text("upload_ambiguous", hidden=hidden))


def _streams(path: Path) -> dict[str, Any]:
    return {**vars(probe(path)), "form": file_type.sniff(path).value}


def _picture(path: Path) -> dict[str, int]:
    """Decodes it whole: a picture that breaks off is told now and not in the middle of a run."""
    pictures.prepare()
    try:
        with pictures.opened(path) as image:
            width, height = image.size
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # EXIF orientation: on its side
            image.draft("RGB", (_LOOKED_AT, _LOOKED_AT))  # a JPEG at a fraction of its size, though all of its data
            image.load()
    except Permanent as e:
        code = "too_large" if e.code == "image_too_large" else "unreadable"
        raise UserError(code, e.cause, e.recovery) from None
    return {"width": height, "height": width} if turned else {"width": width, "height": height}
