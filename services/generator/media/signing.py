"""Adds Content Credentials to the files of versions: the model, or the uploader, and the starting image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from shared.core.errors import RetakeError
from shared.media.c2pa import OPENED, Claim, Ingredient, can_sign, content_type_of, is_ai
from shared.media.signing import sign_safely
from shared.media.signing_identity import Identity

log = structlog.get_logger(__name__)

UNSUPPORTED: Final = "Files of this type ({}) cannot carry Content Credentials."
FAILED: Final = "Content Credentials could not be added. {}"


@dataclass(frozen=True)
class Origin:
    """Where a version comes from, as its file will state. Paths are in the work folder."""

    title: str
    model: str | None
    facts: Mapping[str, Any]
    uploaded: Path | None = None
    starting_image: Path | None = None
    starting_image_version_id: str | None = None


class VersionSigner:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def sign(self, path: Path, content_type: str, origin: Origin) -> str | None:
        """Signs the file in place and returns None. A file that cannot be signed stays as it is, and the reason is
        returned in words for users: no version is lost because of its signature."""
        content_type = content_type_of(path, content_type)
        if not can_sign(content_type):
            return UNSUPPORTED.format(content_type)
        signed, cause = path.with_name(f"{path.stem}-signed{path.suffix}"), ""
        for claim in _claims(path, content_type, origin):
            try:
                await sign_safely(path, signed, claim, self._identity)
            except RetakeError as error:
                cause = error.cause
                log.warning("version.sign_failed", code=error.code, cause=error.cause, action=claim.action)
            else:
                os.replace(signed, path)
                return None
        return FAILED.format(cause)


def _claims(path: Path, content_type: str, origin: Origin) -> Iterator[Claim]:
    """The most complete one first: an uploaded file or a starting image may carry a manifest that cannot be read."""
    for with_files in (True, False):
        if origin.uploaded is not None:
            yield _uploaded(path, content_type, origin, origin.uploaded if with_files else path)
        else:
            yield _generated(content_type, origin, origin.starting_image if with_files else None)


def _generated(content_type: str, origin: Origin, starting_image: Path | None) -> Claim:
    ingredients = []
    if origin.starting_image is not None:
        facts = {"version_id": origin.starting_image_version_id}
        ingredients = [Ingredient("Starting image", "image/jpeg", starting_image, "inputTo", facts)]
    kind = "trainedAlgorithmicMedia" if is_ai(origin.model) else "algorithmicMedia"
    return Claim(origin.title, content_type, kind, origin.model, facts=dict(origin.facts), ingredients=ingredients)


def _uploaded(path: Path, content_type: str, origin: Origin, parent: Path) -> Claim:
    """Opened, not created: only the uploaded file itself may state how it was made."""
    before = Ingredient("As it was uploaded", content_type, parent, "parentOf")
    return Claim(origin.title, content_type, None, action=OPENED, facts=dict(origin.facts), ingredients=[before])
