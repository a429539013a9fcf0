"""Makes one candidate of a run: generates or ingests its file, inspects, signs and stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from services.generator import metrics
from services.generator.commands.inputs import Inputs
from services.generator.commands.progress import RunProgress, Step
from services.generator.domain.frames import frame_of
from services.generator.domain.problems import provider_unknown
from services.generator.domain.prompts import styled_prompt
from services.generator.domain.runs import Run
from services.generator.domain.tolerances import check_output, differences
from services.generator.media.base import Inspection, MediaProcessor
from services.generator.media.signing import Origin, VersionSigner
from services.generator.providers.base import CandidateFile, CandidateRequest, Maker
from shared.contracts.catalogue import Catalogue
from shared.contracts.messages import message
from shared.contracts.values import AssetKind, ObjectRef, RunSource, Setting, Settings, SettingSource, Version
from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.core.ids import NewId
from shared.objects import Objects

log = structlog.get_logger(__name__)

MAX_SEED = 2**31
JPEG = "image/jpeg"


@dataclass(frozen=True)
class CandidateMaker:
    catalogue: Catalogue
    makers: Mapping[str, Maker]
    media: MediaProcessor
    objects: Objects
    clock: Clock
    new_id: NewId
    signer: VersionSigner | None = None

    async def make(self, run: Run, position: int, inputs: Inputs, work: Path, reporter: RunProgress) -> Version:
        """A version that has no number yet. `work` is a folder of its own.

        Raises what the provider raises, OutputDiffers, and Permanent for a file that cannot be used.
        """
        request, began_at = None, self.clock.monotonic()
        if run.request.source is RunSource.GENERATE:
            request = self._request(run, position, inputs)
            file = await self._generate(run, request, work, reporter)
        else:
            assert inputs.uploaded is not None
            reporter.begin(Step.RENDERING, position)
            file = await self.media.ingest(inputs.uploaded, run.request.asset_kind, work)
        reporter.begin(Step.VERIFYING, position)
        inspection = await self._inspect(run, request, file, inputs, work)
        reporter.begin(Step.STORING, position)
        version_id = self.new_id()
        if self.signer:
            unsigned = await self.signer.sign(file.path, file.content_type, _origin(run, version_id, request, inputs))
            file = replace(file, info={**file.info, **_provenance(unsigned)})
        version = await self._store(run, version_id, request, file, inspection)
        if request:
            seconds = self.clock.monotonic() - began_at
            metrics.generated(run.request.asset_kind, request.model.slug, seconds, version.media.duration_s)
        return version

    async def _inspect(
        self, run: Run, request: CandidateRequest | None, file: CandidateFile, inputs: Inputs, work: Path
    ) -> Inspection:
        """Raises for a file that must not reach a preview, judged by its header first and then by its content."""
        kind = run.request.asset_kind
        if request is None:
            return await self.media.inspect(file.path, kind, work, inputs.comparison)
        check = partial(check_output, kind, file.expected or request.expected)
        try:
            inspection = await self.media.inspect(file.path, kind, work, inputs.comparison, check)
            check(inspection.media)
        except RetakeError as e:
            await self._keep_refused(run, request, file, e)
            raise
        return inspection

    async def _generate(self, run: Run, request: CandidateRequest, work: Path, reporter: RunProgress) -> CandidateFile:
        maker = self.makers.get(run.provider)
        if maker is None:
            raise provider_unknown(run.provider, sorted(self.makers))
        reporter.begin(Step.RENDERING, request.position)
        started_at, outcome = self.clock.monotonic(), "cancelled"
        try:
            file = await maker.make(request, work, reporter.advance)
            outcome = "made"
        except RetakeError as e:
            outcome = e.code
            raise
        finally:
            metrics.provider_called(run.provider, run.model, self.clock.monotonic() - started_at, outcome)
        return file

    def _request(self, run: Run, position: int, inputs: Inputs) -> CandidateRequest:
        r = run.request
        assert run.model is not None
        model = self.catalogue.get(run.model)
        known = {name: s for name, s in run.settings.items() if name in model.properties}
        values = {name: s.value for name, s in known.items() if s.source is not SettingSource.GUESSED}
        guessed = {name: s.value for name, s in known.items() if s.source is SettingSource.GUESSED}
        seed = None if run.seed is None else (run.seed + position) % MAX_SEED
        output = r.project_settings.output
        moving = r.asset_kind is AssetKind.VIDEO
        has_frame = moving or r.asset_kind.is_picture
        return CandidateRequest(
            run_id=run.run_id,
            position=position,
            attempt=run.attempt,
            kind=r.asset_kind,
            model=model,
            directions=run.directions,
            prompt=styled_prompt(r, run.directions, run.settings),
            settings=values | ({} if seed is None else {"seed": seed}),
            seed=seed,
            label=r.label,
            frame=frame_of(run.settings, output) if has_frame else None,
            fps=output.rate if moving else None,
            duration_s=values.get("duration"),
            starting_image=inputs.starting_image,
            references=inputs.references,
            guessed_language=guessed.get("language"),
        )

    async def _store(
        self, run: Run, version_id: str, request: CandidateRequest | None, file: CandidateFile, inspection: Inspection
    ) -> Version:
        r = run.request
        settings = run.settings
        if request and request.seed is not None:
            settings = settings | {"seed": Setting(value=request.seed, source=settings["seed"].source)}
        return Version(
            version_id=version_id,
            version_number=0,
            object=await self._put(version_id, r.asset_kind.value, file.path, file.content_type),
            poster=await self._put_optional(version_id, "poster", inspection.poster, JPEG),
            filmstrip=await self._put_optional(version_id, "filmstrip", inspection.filmstrip, JPEG),
            proxy=await self._put_optional(version_id, "proxy", inspection.proxy, "video/mp4"),
            last_frame=await self._put_optional(version_id, "last-frame", inspection.last_frame, JPEG),
            media=inspection.media,
            quality=inspection.quality,
            directions=run.directions,
            model=run.model,
            provider=run.provider,
            seed=request.seed if request else None,
            starting_image_version_id=r.starting_image_version_id if request else None,
            settings=settings,
            cost=file.cost,
            differences=differences(r.asset_kind, file.expected or request.expected, inspection.media)
            if request
            else [],
            info={**file.info, **_remarks(settings, file.info)},
        )

    async def _keep_refused(self, run: Run, request: CandidateRequest, file: CandidateFile, error: RetakeError) -> None:
        """A provider's file that was refused is kept for a week, so that it can be shown to the provider's support."""
        key = f"failed/{run.run_id}/{request.position}-{run.attempt}{file.path.suffix}"
        try:
            await self.objects.own.put_file(key, file.path, file.content_type, move=True)
        except RetakeError as e:  # the run fails for its own reason, whether or not the file was kept
            log.warning("output.not_kept", key=key, code=e.code, cause=e.cause)
        else:
            log.warning("output.kept", key=key, code=error.code, cause=error.cause)

    async def _put_optional(self, version_id: str, name: str, path: Path | None, content_type: str) -> ObjectRef | None:
        return None if path is None else await self._put(version_id, name, path, content_type)

    async def _put(self, version_id: str, name: str, path: Path, content_type: str) -> ObjectRef:
        key = f"versions/{version_id}/{name}{path.suffix}"
        return await self.objects.own.put_file(key, path, content_type, move=True)


def _remarks(settings: Settings, info: Mapping[str, Any]) -> dict[str, list[str]]:
    """The provider's warnings, with one about a language that was guessed."""
    language = settings.get("language")
    if language is None or language.source is not SettingSource.GUESSED:
        return {}
    percent = round(100 * (language.confidence or 0.0))
    remark = message("warning.language_guessed", language=language.value, percent=percent)
    return {"warnings": [remark, *info.get("warnings", [])]}


def _provenance(unsigned: str | None) -> dict[str, str]:
    """Shown next to the provider's own facts."""
    return {"provenance": "signed"} if unsigned is None else {"provenance": "unsigned", "unsigned_reason": unsigned}


def _origin(run: Run, version_id: str, request: CandidateRequest | None, inputs: Inputs) -> Origin:
    """Leaves out what users wrote: a file may travel further than they wish."""
    r = run.request
    facts = {
        "version_id": version_id,
        "run_id": run.run_id,
        "asset_id": r.asset_id,
        "kind": r.asset_kind.value,
        "source": r.source.value,
        "model": run.model if request else None,
        "seed": request.seed if request else None,
        "requested_by": r.actor.user_id,
        "approved_without_review": r.auto_approve,
    }
    return Origin(
        r.label,
        run.model if request else None,
        facts,
        inputs.uploaded,
        inputs.starting_image,
        r.starting_image_version_id,
    )
