"""The characters' reference images, fetched once per content: runs of one project share them."""

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

from services.generator.commands.ports import Reference
from shared.contracts.values import Character, ObjectRef
from shared.core.errors import Permanent, UserError
from shared.objects import Objects

KEPT: Final = 64  # pictures, 25 MB at most each
USED_FOR_S: Final = 3600.0  # a run that was given a file may still open it


@dataclass(frozen=True)
class GatherReferences:
    """`folder` may be lost at any time, and be shared by workers: a file appears in it whole or not at all."""

    objects: Objects
    folder: Path

    async def __call__(self, characters: Sequence[Character], most: int) -> tuple[Reference, ...]:
        """The first picture of each character, then the second of each, and so on, `most` in all.

        Raises UserError for a picture that is gone, Retryable for a store that is away.
        """
        found = [Reference(ref.sha256, await self._fetched(name, ref)) for name, ref in in_turn(characters)[:most]]
        await asyncio.to_thread(self._prune)
        return tuple(found)

    async def _fetched(self, name: str, ref: ObjectRef) -> Path:
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
            raise UserError(
                "reference_missing",
                f"A reference image of {name} is gone.",
                "Upload it again in the project's characters, or take it out there.",
            ) from e
        return path

    def _prune(self) -> None:
        with suppress(FileNotFoundError):
            newest = sorted(self.folder.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
            for path in newest[KEPT:]:
                if time.time() - path.stat().st_mtime > USED_FOR_S:
                    path.unlink(missing_ok=True)


def in_turn(characters: Sequence[Character]) -> list[tuple[str, ObjectRef]]:
    """(name, picture), so that a model that takes few gets at least one of as many characters as possible."""
    each = [[(c.name, ref) for ref in c.reference_images] for c in characters]
    turns = [pair for pair in chain.from_iterable(zip_longest(*each)) if pair]
    first: dict[str, tuple[str, ObjectRef]] = {}
    for name, ref in turns:
        first.setdefault(ref.sha256, (name, ref))
    return list(first.values())
