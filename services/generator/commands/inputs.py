"""Fetches what a run works from: the pinned starting image of a video, or the file that a user brought."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from services.generator.commands.ports import AttemptUnit, Beside, Downloads, Reference
from services.generator.commands.references import GatherReferences
from services.generator.domain.problems import input_missing, starting_image_missing
from services.generator.domain.runs import Run
from shared.contracts.catalogue import Catalogue
from shared.contracts.values import AssetKind, RunSource
from shared.core.errors import Permanent, RetakeError, UserError
from shared.objects import Objects

log = structlog.get_logger(__name__)

MEBIBYTE: Final = 1 << 20
MAX_SIZE: Final = {  # of a download; uploads were measured by the gateway already
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
    brought: Path | None = None
    previous: Path | None = None
    references: tuple[Reference, ...] = ()

    @property
    def beside(self) -> Beside:
        return Beside(self.starting_image, self.previous)


@dataclass(frozen=True)
class GatherInputs:
    unit: AttemptUnit
    objects: Objects
    downloads: Downloads
    references: GatherReferences
    catalogue: Catalogue

    async def __call__(self, run: Run, work: Path) -> Inputs:
        """Raises UserError for what is missing; Retryable for a store or a server that is away."""
        r = run.request
        if r.source is not RunSource.GENERATE:
            return Inputs(brought=await self._brought(run, work / "brought"))
        if r.asset_kind is AssetKind.VIDEO:
            return Inputs(
                starting_image=await self._starting_image(run, work),
                previous=await self._previous(r.previous_video_asset_id, work / "previous"),
            )
        return Inputs(references=await self._references(run))

    async def _references(self, run: Run) -> tuple[Reference, ...]:
        """Only what the model takes is fetched."""
        model = self.catalogue.get(run.model) if run.model else None
        takes = next((i for i in model.inputs.values() if i.source == "reference_images"), None) if model else None
        return await self.references(run.request.project_settings.characters, takes.most) if takes else ()

    async def _starting_image(self, run: Run, work: Path) -> Path:
        """The one that was committed when the run was requested, to the end. Never a placeholder."""
        pinned = run.request.starting_image_version_id
        async with self.unit() as store:
            held = await store.hold_version(pinned) if pinned else None
        if held is None or held.purged or not held.kind.is_picture:
            raise starting_image_missing()
        path = work / f"starting-image{Path(held.version.object.key).suffix}"
        try:
            await self.objects.own.fetch(held.version.object, path)
        except Permanent as e:
            if e.code == "object_missing":
                raise starting_image_missing() from e
            raise
        return path

    async def _previous(self, asset_id: str | None, path: Path) -> Path | None:
        """How the committed video of the segment before ends, to compare with: without it the run goes on.

        Its last frame was kept beside it; a video from before that was done is fetched and decoded once more.
        """
        if asset_id is None:
            return None
        try:
            async with self.unit() as store:
                version = await store.committed(asset_id)
            if version is None:
                return None
            end = version.last_frame or version.object
            near = self.objects.own.local_path(end.key)
            if near is not None and near.exists():
                return near
            await self.objects.own.fetch(end, path)
        except RetakeError as e:
            log.warning("previous_video.missing", asset_id=asset_id, code=e.code)
            return None
        return path

    async def _brought(self, run: Run, path: Path) -> Path:
        r = run.request
        if r.input_object is not None:
            try:
                await self.objects.of(r.input_object.bucket).fetch(r.input_object, path)
            except Permanent as e:
                if e.code != "object_missing":
                    raise
                raise UserError("input_missing", "The uploaded file is gone.", "Upload it again.") from e
        elif r.input_url is not None:
            await self.downloads.fetch(r.input_url, path, max_size=MAX_SIZE[r.asset_kind])
        else:
            raise input_missing()
        return path
