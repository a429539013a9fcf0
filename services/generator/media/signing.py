"""Signs versions' files as they are made: by which model, or brought by whom, and from which starting image."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from services.generator.commands.ports import Origin
from shared.core.errors import RetakeError
from shared.media.c2pa import OPENED, Claim, Identity, Ingredient, can_sign, form_of, is_ai, sign

log = structlog.get_logger(__name__)

NO_PLACE: Final = "Files of this kind ({}) have no place for Content Credentials."
FAILED: Final = "It could not be given Content Credentials. {}"


class C2paVersionSigner:
    """Implements `VersionSigner`."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def sign(self, path: Path, content_type: str, origin: Origin) -> str | None:
        content_type = form_of(path, content_type)
        if not can_sign(content_type):
            return NO_PLACE.format(content_type)
        return await asyncio.shield(asyncio.to_thread(self._sign, path, content_type, origin))

    def _sign(self, path: Path, content_type: str, origin: Origin) -> str | None:
        signed, cause = path.with_name(f"{path.stem}-signed{path.suffix}"), ""
        for claim in _claims(path, content_type, origin):
            try:
                sign(path, signed, claim, self._identity)
            except RetakeError as error:
                cause = error.cause
                log.warning("version.sign_failed", code=error.code, cause=error.cause, action=claim.action)
            else:
                os.replace(signed, path)
                return None
        return FAILED.format(cause)


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
        facts = {"version_id": origin.starting_image_version_id}
        ingredients = [Ingredient("Starting image", "image/jpeg", starting_image, "inputTo", facts)]
    kind = "trainedAlgorithmicMedia" if is_ai(origin.model) else "algorithmicMedia"
    return Claim(origin.title, content_type, kind, origin.model, facts=dict(origin.facts), ingredients=ingredients)


def _brought(path: Path, content_type: str, origin: Origin, parent: Path) -> Claim:
    """Opened, not created: how it was made is for what it was before to say."""
    before = Ingredient("As it was brought", content_type, parent, "parentOf")
    return Claim(origin.title, content_type, None, action=OPENED, facts=dict(origin.facts), ingredients=[before])
