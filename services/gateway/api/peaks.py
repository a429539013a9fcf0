"""The peaks of sounds, from which pages draw waveforms, made in a confined process (`peaks_worker`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from services.gateway.api.derived_files import DerivedFiles
from services.gateway.api.files import on_disk
from shared.contracts.values import ObjectRef
from shared.core.confinement import Files
from shared.core.processes import ResourceLimits
from shared.objects import ObjectStore
from shared.sandbox.jobs import run_job

TIMEOUT_S: Final = 90.0  # an hour of sound takes seconds
LIMITS: Final = ResourceLimits(memory=2 << 30, cpu_s=60, file_size=4 << 20)
_WORKER: Final = "services.gateway.api.peaks_worker"


class Peaks:
    def __init__(self, files: DerivedFiles) -> None:
        self._files = files

    async def of(self, sound: ObjectRef, store: ObjectStore) -> Path:
        """A file with a byte for each hundredth of a second. Raises FileNotFoundError and Permanent where the sound is
        gone or none can be read, Retryable."""

        async def make(folder: Path, out: Path) -> None:
            async with on_disk(sound, store, folder) as source:
                job = {"path": str(source.absolute()), "out": str(out)}
                await run_job(
                    _WORKER, job, timeout_s=TIMEOUT_S, limits=LIMITS, files=Files(read=(source,), write=(folder,))
                )

        return await self._files.get(f"{sound.sha256}.peaks", make)
