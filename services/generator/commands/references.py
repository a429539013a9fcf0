"""A cache of the characters' reference images by content, which the runs of a project share."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final

from services.generator.providers.base import Reference
from shared.contracts.messages import problem_text
from shared.contracts.values import Character, ObjectRef
from shared.core.errors import Permanent, UserError
from shared.objects import Objects

MAX_FILES: Final = 64  # pictures of at most 25 MB
IN_USE_S: Final = 3600.0  # a run may still open a file that it was given


@dataclass(frozen=True)
class ReferenceCache:
    """Workers share `folder`, and it may be deleted at any time: a file appears in it complete or not at all."""

    objects: Objects
    folder: Path

    async def load(self, characters: Sequence[Character], most: int) -> tuple[Reference, ...]:
        """The first picture of each character, then the second of each, and so on, `most` in all.

        Raises UserError if a picture no longer exists, Retryable if the store is unavailable.
        """
        chosen = interleaved(characters)[:most]
        references = [Reference(ref.sha256, await self._fetch(name, ref)) for name, ref in chosen]
        await asyncio.to_thread(self._prune)
        return tuple(references)

    async def _fetch(self, name: str, ref: ObjectRef) -> Path:
        path = self.folder / ref.sha256
        if path.exists():
            with suppress(FileNotFoundError):
                os.utime(path)
                return path
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            await self.objects.of(ref.bucket).fetch(ref, path)
        except Permanent as e:
            if e.code != "object_missing":
                raise
            raise UserError("reference_missing", *problem_text("reference_missing", character=name)) from e
        return path

    def _prune(self) -> None:
        with suppress(FileNotFoundError):
            newest = sorted(self.folder.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
            for path in newest[MAX_FILES:]:
                if time.time() - path.stat().st_mtime > IN_USE_S:
                    path.unlink(missing_ok=True)


def interleaved(characters: Sequence[Character]) -> list[tuple[str, ObjectRef]]:
    """(name, picture) pairs, so that a model that accepts few of them sees as many characters as possible."""
    each = [[(c.name, ref) for ref in c.reference_images] for c in characters]
    turns = [pair for pair in chain.from_iterable(zip_longest(*each)) if pair]
    first: dict[str, tuple[str, ObjectRef]] = {}
    for name, ref in turns:
        first.setdefault(ref.sha256, (name, ref))
    return list(first.values())
