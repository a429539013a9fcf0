"""Signs versions' files as they are made: by which model, or brought by whom, and from which starting image."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from services.generator.usecases.ports import Origin
from shared.errors import RetakeError
from shared.provenance import OPENED, Claim, Identity, Ingredient, can_sign, is_ai, sign
from shared.sniff import Form, sniff

log = structlog.get_logger(__name__)

_MIMES: Final = {
    Form.MP4: "video/mp4", Form.AVI: "video/avi", Form.WAV: "audio/wav", Form.MP3: "audio/mpeg",
    Form.FLAC: "audio/flac",
}  # fmt: skip
_PICTURES: Final = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG", "image/png"), (b"RIFF", "image/webp"))


class C2paVersionSigner:
    """Implements `usecases.ports.VersionSigner`."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def sign(self, path: Path, content_type: str, origin: Origin) -> None:
        if can_sign(content_type):
            await asyncio.shield(asyncio.to_thread(self._sign, path, content_type, origin))

    def _sign(self, path: Path, content_type: str, origin: Origin) -> None:
        signed = path.with_name(f"{path.stem}-signed{path.suffix}")
        for claim in _claims(path, content_type, origin):
            try:
                sign(path, signed, claim, self._identity)
            except RetakeError as error:
                log.warning("version.sign_failed", code=error.code, cause=error.cause, action=claim.action)
            else:
                os.replace(signed, path)
                return


def _claims(path: Path, content_type: str, origin: Origin) -> Iterator[Claim]:
    """The fullest first: what was brought, or went in, may carry a manifest that nobody can read."""
    for with_files in (True, False):
        if origin.brought is not None:
            yield _brought(path, content_type, origin, origin.brought if with_files else path)
        else:
            yield _made(content_type, origin, origin.starting_image if with_files else None)


def _made(content_type: str, origin: Origin, starting_image: Path | None) -> Claim:
    ingredients = []
    if origin.starting_image is not None:
        mime = _mime(origin.starting_image)
        read = starting_image if mime and can_sign(mime) else None
        facts = {"version_id": origin.starting_image_version_id}
        ingredients = [Ingredient("Starting image", mime or "image/jpeg", read, "inputTo", facts)]
    kind = "trainedAlgorithmicMedia" if is_ai(origin.model) else "algorithmicMedia"
    return Claim(origin.title, content_type, kind, origin.model, facts=dict(origin.facts), ingredients=ingredients)


def _brought(path: Path, content_type: str, origin: Origin, parent: Path) -> Claim:
    """Opened, not created: how it was made is for what it was before to say."""
    mime = content_type if parent == path else _mime(parent)
    if mime is None or not can_sign(mime):
        parent, mime = path, content_type
    before = Ingredient("As it was brought", mime, parent, "parentOf")
    return Claim(origin.title, content_type, None, action=OPENED, facts=dict(origin.facts), ingredients=[before])


def _mime(path: Path) -> str | None:
    form = sniff(path)
    if form is not Form.PICTURE:
        return _MIMES.get(form)
    with path.open("rb") as file:
        head = file.read(8)
    return next((mime for start, mime in _PICTURES if head.startswith(start)), None)
