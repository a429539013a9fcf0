"""Posters in the sizes of cards, made in a confined process (`poster_worker`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from services.gateway.api.derived_files import DerivedFiles
from shared.contracts.values import ObjectRef
from shared.core.confinement import Files
from shared.core.errors import RetakeError
from shared.core.processes import ResourceLimits
from shared.objects import ObjectStore
from shared.sandbox.jobs import run_job

Width = Literal[160, 320, 640]
"""Pixels: a card, a card on a screen of twice the density, and the width that posters are made in."""

TIMEOUT_S: Final = 20.0
LIMITS: Final = ResourceLimits(memory=1 << 30, cpu_s=10, file_size=4 << 20)
_WORKER: Final = "services.gateway.api.poster_worker"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SizedPoster:
    path: Path
    content_type: str
    etag: str


class PosterSizes:
    def __init__(self, files: DerivedFiles) -> None:
        self._files = files

    async def sized(self, poster: ObjectRef, store: ObjectStore, width: Width, *, webp: bool) -> SizedPoster | None:
        """None: it could not be made, and the poster itself has to do."""
        form, content_type = ("WEBP", "image/webp") if webp else ("JPEG", "image/jpeg")

        async def make(folder: Path, out: Path) -> None:
            source = folder / "poster"
            await store.fetch(poster, source)
            job = {"path": str(source), "out": str(out), "width": width, "format": form}
            await run_job(
                _WORKER, job, timeout_s=TIMEOUT_S, limits=LIMITS, files=Files(read=(source,), write=(folder,))
            )

        try:
            path = await self._files.get(f"{poster.sha256}-{width}.{form.lower()}", make)
        except (RetakeError, OSError) as error:
            log.warning("poster.not_sized", key=poster.key, width=width, cause=str(error))
            return None
        return SizedPoster(path, content_type, f'"{poster.sha256[:32]}-{width}{form[0].lower()}"')
