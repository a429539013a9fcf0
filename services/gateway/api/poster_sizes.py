"""Posters in the sizes of cards, made when they are first asked for, in a confined process (`poster_worker`), and kept
in a folder of this process up to a limit. What is lost with the folder is made again."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from shared.contracts.values import ObjectRef
from shared.core.confinement import Files
from shared.core.errors import RetakeError
from shared.core.machine import processors
from shared.core.processes import ResourceLimits
from shared.objects import ObjectStore
from shared.sandbox.jobs import run_job

Width = Literal[160, 320, 640]
"""Pixels: a card, a card on a screen of twice the density, and the width that posters are made in."""

MOST_BYTES: Final = 128 << 20  # some 10,000 posters of cards
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
    """`at_once` posters are made at a time; who asks for one that is being made waits for it."""

    def __init__(self, work_dir: str, *, most_bytes: int = MOST_BYTES, at_once: int = max(2, processors())) -> None:
        self._work_dir = work_dir
        self._most_bytes = most_bytes
        self._turns = asyncio.Semaphore(at_once)
        self._kept: OrderedDict[str, int] = OrderedDict()
        """Name of the file and its bytes, the one that was used longest ago first."""
        self._making: dict[str, asyncio.Lock] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def sized(self, poster: ObjectRef, store: ObjectStore, width: Width, *, webp: bool) -> SizedPoster | None:
        """None: it could not be made, and the poster itself has to do."""
        form, content_type = ("WEBP", "image/webp") if webp else ("JPEG", "image/jpeg")
        name = f"{poster.sha256}-{width}.{form.lower()}"
        found = SizedPoster(self._path(name), content_type, f'"{poster.sha256[:32]}-{width}{form[0].lower()}"')
        lock = self._making.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                if name in self._kept and found.path.exists():
                    self._kept.move_to_end(name)
                    return found
                try:
                    await self._make(poster, store, width, form, found.path)
                except (RetakeError, OSError) as error:
                    log.warning("poster.not_sized", key=poster.key, width=width, cause=str(error))
                    return None
                self._keep(name, found.path)
                return found
        finally:
            if not lock.locked():
                self._making.pop(name, None)

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _path(self, name: str) -> Path:
        if self._folder is None or not Path(self._folder.name).exists():  # a work folder may be lost at any time
            self._folder = tempfile.TemporaryDirectory(
                prefix="posters-", dir=self._work_dir, ignore_cleanup_errors=True
            )
            self._kept.clear()
        return Path(self._folder.name, name)

    async def _make(self, poster: ObjectRef, store: ObjectStore, width: Width, form: str, path: Path) -> None:
        async with self._turns:
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                source, out = Path(folder, "poster"), Path(folder, "out")
                await store.fetch(poster, source)
                job = {"path": str(source), "out": str(out), "width": width, "format": form}
                files = Files(read=(source,), write=(out.parent,))
                await run_job(_WORKER, job, timeout_s=TIMEOUT_S, limits=LIMITS, files=files)
                os.replace(out, path)

    def _keep(self, name: str, path: Path) -> None:
        self._kept[name] = path.stat().st_size
        while sum(self._kept.values()) > self._most_bytes and len(self._kept) > 1:
            oldest, _ = self._kept.popitem(last=False)
            path.with_name(oldest).unlink(missing_ok=True)
