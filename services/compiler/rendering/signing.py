"""Signs films with the versions they contain, the models that made them, and who approved them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from services.compiler.rendering.files import LocalFiles, Scratch
from shared.contracts.events.gateway import CompileRequested, PinnedMedia
from shared.contracts.values import ObjectRef
from shared.core.errors import Permanent
from shared.core.ids import NewId
from shared.media.c2pa import Claim, Ingredient, is_ai
from shared.media.signing import sign_safely
from shared.media.signing_identity import Identity
from shared.objects import Objects

log = structlog.get_logger(__name__)


class C2paSigner:
    """Implements `commands.ports.FilmSigner`."""

    def __init__(
        self, identity: Identity, files: LocalFiles, scratch: Scratch, objects: Objects, new_id: NewId
    ) -> None:
        self._identity = identity
        self._files = files
        self._scratch = scratch
        self._objects = objects
        self._new_id = new_id

    async def signed(self, request: CompileRequested, film: ObjectRef) -> ObjectRef:
        source = await self._files.path(film)
        claim = await self._claim(request)
        async with self._scratch.folder() as folder:
            path = folder / "signed.mp4"
            await sign_safely(source, path, claim, self._identity)
            key = f"films/{request.compilation_id}/{self._new_id()}.mp4"
            return await self._objects.own.put_file(key, path, film.content_type, move=True)

    async def _claim(self, request: CompileRequested) -> Claim:
        used = list(_used(request))
        trained = any(is_ai(m.model) for _, m in used)
        return Claim(
            title="Film",
            mime="video/mp4",
            source_type="compositeWithTrainedAlgorithmicMedia" if trained else "composite",
            facts={"compilation_id": request.compilation_id, "segments": len(request.items)},
            ingredients=[await self._ingredient(name, media) for name, media in used],
        )

    async def _ingredient(self, name: str, media: PinnedMedia) -> Ingredient:
        """With its own manifest if it has one. A file that does not exist any more is still named."""
        path: Path | None = None
        try:
            path = await self._files.path(media.object)
        except Permanent as error:
            log.warning("ingredient.missing", key=media.object.key, code=error.code)
        facts: dict[str, Any] = {
            "version_id": media.version_id, "sha256": media.object.sha256, "model": media.model,
            "approved_by": media.approved_by,
        }  # fmt: skip
        return Ingredient(name, media.object.content_type, path, facts=facts)


def _used(request: CompileRequested) -> Iterator[tuple[str, PinnedMedia]]:
    for item in request.items:
        yield f"Segment {item.number}: video", item.video
        if item.narration:
            yield f"Segment {item.number}: narration", item.narration
    if request.music and request.audio.background_music:
        yield "Music", request.music
