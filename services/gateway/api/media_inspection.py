"""Looks into uploaded files, in a process that may crash alone: a file from outside may be made to hurt its reader."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any, Final

import structlog

from services.gateway.domain.uploads import (
    MAX_FILM_S,
    SNIFFED_BYTES,
    TAIL_BYTES,
    MediaFacts,
    hidden_content,
    media_kind,
    settled,
    sniff,
)
from shared.contracts.messages import message, problem_text
from shared.core.errors import Permanent, UserError
from shared.core.machine import processors
from shared.core.processes import bare_environment, child, read_tail
from shared.media import file_type, pictures
from shared.media.file_type import Form
from shared.media.probe import probe

log = structlog.get_logger(__name__)

PROBE_S: Final = 60.0  # counting the packets of an hour of film takes seconds
AT_ONCE: Final = max(2, processors())
MEMORY: Final = 3 << 30
WRITTEN_BYTES: Final = 1 << 20  # of one file; it only looks
REFUSED: Final = 3  # the child's exit code when it says why
_LOOKED_AT: Final = 1024  # pixels


class MediaInspector:
    """Looks into `at_once` files at a time; the others wait for their turn."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._turns = asyncio.Semaphore(at_once)

    async def inspect(self, content_type: str, path: Path) -> MediaFacts:
        """What the file holds; `content_type` is what its first bytes tell. Raises UserError."""
        kind = media_kind(content_type)
        async with self._turns:
            found = await _look(kind, path)
        if kind == "image":
            return MediaFacts(content_type, found["width"], found["height"])
        content_type = settled(content_type, Form(found["form"]), bool(found.get("width")))
        if not found.get("width") and not found.get("audio_codec"):
            raise UserError("unreadable", *problem_text("upload_without_streams"))
        if media_kind(content_type) == "video" and not found.get("width"):  # its container is taken for films only
            raise UserError("unreadable", *problem_text("upload_container_of_sound"))
        seconds = float(found.get("duration_s") or 0)
        if seconds > MAX_FILM_S:
            raise UserError(
                "too_large",
                *problem_text("upload_too_long", minutes=f"{seconds / 60:.0f}", minutes_max=MAX_FILM_S // 60),
            )
        return MediaFacts(content_type, found.get("width"), found.get("height"), seconds, found.get("fps"))


async def _look(kind: str, path: Path) -> dict[str, Any]:
    argv = [sys.executable, "-m", __name__, kind, str(path)]
    try:
        running = child(argv, stdout=PIPE, env=bare_environment(), offline=True)
        async with asyncio.timeout(PROBE_S), running as process:
            assert process.stdout is not None
            said, out = await asyncio.gather(read_tail(process.stderr), process.stdout.read())
            code = await process.wait()
    except TimeoutError:
        raise UserError("unreadable", *problem_text("upload_too_slow")) from None
    if code not in (0, REFUSED) or not out:
        log.warning("upload.reader_failed", kind=kind, exit_code=code, said=said.strip()[-300:])
        raise UserError("unreadable", *problem_text("upload_hurts"))
    found: dict[str, Any] = json.loads(out)
    if code == REFUSED:
        raise UserError(found["code"], found["cause"], found["recovery"])
    return found


# --- the child


def main(kind: str, path: str) -> int:
    """Prints what the file holds as JSON, or why it is not taken."""
    limits = (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, int(PROBE_S)),
        (resource.RLIMIT_FSIZE, WRITTEN_BYTES),
    )
    for limit, most in limits:
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(limit, (most, most))
    try:
        _only_one_thing(Path(path))
        found = _picture(Path(path)) if kind == "image" else _streams(Path(path))
    except UserError as e:
        print(json.dumps({"code": e.code, "cause": e.cause, "recovery": e.recovery}))
        return REFUSED
    except Permanent as e:
        recovery = message("problem.upload_unreadable.recovery")
        print(json.dumps({"code": "unreadable", "cause": e.cause, "recovery": recovery}))
        return REFUSED
    print(json.dumps(found))
    return 0


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


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
