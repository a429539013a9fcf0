"""Fetches the inputs of a run: starting image, reference images, or the file that a user uploaded or linked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from services.generator.commands.references import ReferenceCache
from services.generator.domain.problems import input_missing, starting_image_missing
from services.generator.domain.runs import Run
from services.generator.media.base import ComparisonFiles, Downloads
from services.generator.providers.base import Reference
from services.generator.store.attempts import AttemptUnit
from shared.contracts.catalogue import Catalogue
from shared.contracts.messages import problem_text
from shared.contracts.values import AssetKind, RunSource
from shared.core.errors import Permanent, RetakeError, UserError
from shared.objects import Objects

log = structlog.get_logger(__name__)

MEBIBYTE: Final = 1 << 20
MAX_DOWNLOAD_SIZE: Final = {  # bytes; the gateway has limited uploads already
    AssetKind.VIDEO: 2048 * MEBIBYTE,
    AssetKind.STARTING_IMAGE: 25 * MEBIBYTE,
    AssetKind.IMAGE: 25 * MEBIBYTE,
    AssetKind.NARRATION: 200 * MEBIBYTE,
    AssetKind.MUSIC: 200 * MEBIBYTE,
}


@dataclass(frozen=True)
class Inputs:
    """Files in the work folder."""

    starting_image: Path | None = None
    uploaded: Path | None = None
    previous: Path | None = None
    references: tuple[Reference, ...] = ()

    @property
    def comparison(self) -> ComparisonFiles:
        return ComparisonFiles(self.starting_image, self.previous)


@dataclass(frozen=True)
class InputLoader:
    unit: AttemptUnit
    objects: Objects
    downloads: Downloads
    references: ReferenceCache
    catalogue: Catalogue

    async def load(self, run: Run, work: Path) -> Inputs:
        """Raises UserError if an input is missing, Retryable if a store or a server is unavailable."""
        r = run.request
        if r.source is not RunSource.GENERATE:
            return Inputs(uploaded=await self._uploaded(run, work / "uploaded"))
        if r.asset_kind is AssetKind.VIDEO:
            return Inputs(
                starting_image=await self._starting_image(run, work),
                previous=await self._previous(r.previous_video_asset_id, work / "previous"),
            )
        return Inputs(references=await self._references(run))

    async def _references(self, run: Run) -> tuple[Reference, ...]:
        """As many as the model accepts."""
        model = self.catalogue.get(run.model) if run.model else None
        inputs = model.inputs.values() if model else ()
        accepted = next((i for i in inputs if i.source == "reference_images"), None)
        characters = run.request.project_settings.characters
        return await self.references.load(characters, accepted.most) if accepted else ()

    async def _starting_image(self, run: Run, work: Path) -> Path:
        """The version that was committed when the run was requested. Never a placeholder."""
        version_id = run.request.starting_image_version_id
        async with self.unit() as store:
            locked = await store.lock_version(version_id) if version_id else None
        if locked is None or locked.purged or not locked.kind.is_picture:
            raise starting_image_missing()
        path = work / f"starting-image{Path(locked.version.object.key).suffix}"
        try:
            await self.objects.own.fetch(locked.version.object, path)
        except Permanent as e:
            if e.code == "object_missing":
                raise starting_image_missing() from e
            raise
        return path

    async def _previous(self, asset_id: str | None, path: Path) -> Path | None:
        """How the committed video of the segment before ends, for comparison; the run continues without it.

        That is the stored last frame; older videos have none, so the video itself is fetched.
        """
        if asset_id is None:
            return None
        try:
            async with self.unit() as store:
                version = await store.committed_version(asset_id)
            if version is None:
                return None
            ending = version.last_frame or version.object
            local = self.objects.own.local_path(ending.key)
            if local is not None and local.exists():
                return local
            await self.objects.own.fetch(ending, path)
        except RetakeError as e:
            log.warning("previous_video.missing", asset_id=asset_id, code=e.code)
            return None
        return path

    async def _uploaded(self, run: Run, path: Path) -> Path:
        r = run.request
        if r.input_object is not None:
            try:
                await self.objects.of(r.input_object.bucket).fetch(r.input_object, path)
            except Permanent as e:
                if e.code != "object_missing":
                    raise
                raise UserError("input_missing", *problem_text("upload_removed")) from e
        elif r.input_url is not None:
            await self.downloads.fetch(r.input_url, path, max_size=MAX_DOWNLOAD_SIZE[r.asset_kind])
        else:
            raise input_missing()
        return path
