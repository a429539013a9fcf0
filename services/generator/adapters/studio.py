"""The media tools of this service behind one port."""

from __future__ import annotations

from pathlib import Path

from services.generator.adapters.inspection import inspect
from services.generator.adapters.uploads import ingest
from services.generator.usecases.ports import Beside, Expect, Inspected, Made
from shared.contracts.values import AssetKind


class FfmpegStudio:
    """Implements `usecases.ports.Studio` with ffmpeg, PyAV and Pillow, each where it cannot hurt this process."""

    async def inspect(
        self, path: Path, kind: AssetKind, work: Path, beside: Beside, expect: Expect | None = None
    ) -> Inspected:
        return await inspect(path, kind, work, beside, expect)

    async def ingest(self, path: Path, kind: AssetKind, work: Path) -> Made:
        return await ingest(path, kind, work)
