"""Makes one candidate of a run: the provider's call, the check of its answer, and its objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from services.generator.commands.inputs import Inputs
from services.generator.commands.ports import (
    Inspected,
    Made,
    Maker,
    MediaProcessor,
    Meter,
    Order,
    Origin,
    VersionSigner,
)
from services.generator.commands.report_progress import Reporter, Step
from services.generator.domain.frames import frame_of
from services.generator.domain.problems import provider_unknown
from services.generator.domain.prompts import styled
from services.generator.domain.runs import Run
from services.generator.domain.tolerances import check
from shared.contracts.catalogue import Catalogue
from shared.contracts.values import AssetKind, ObjectRef, RunSource, Setting, Version
from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.core.ids import NewId
from shared.objects import Objects

log = structlog.get_logger(__name__)

MAX_SEED = 2**31
JPEG = "image/jpeg"


@dataclass(frozen=True)
class MakeCandidate:
    catalogue: Catalogue
    makers: Mapping[str, Maker]
    studio: MediaProcessor
    objects: Objects
    meter: Meter
    clock: Clock
    new_id: NewId
    signer: VersionSigner | None = None

    async def __call__(self, run: Run, position: int, inputs: Inputs, work: Path, reporter: Reporter) -> Version:
        """A version without its number. `work` is a folder of its own. Raises what provider and checks raise."""
        order = None
        if run.request.source is RunSource.GENERATE:
            order = self._order(run, position, inputs)
            made = await self._generate(run, order, work, reporter)
        else:
            assert inputs.brought is not None
            reporter.begin(Step.RENDERING, position)
            made = await self.studio.ingest(inputs.brought, run.request.asset_kind, work)
        reporter.begin(Step.VERIFYING, position)
        inspected = await self._inspect(run, order, made, inputs, work)
        reporter.begin(Step.STORING, position)
        version_id = self.new_id()
        if self.signer:
            unsigned = await self.signer.sign(made.path, made.content_type, _origin(run, version_id, order, inputs))
            made = replace(made, info={**made.info, **_provenance(unsigned)})
        return await self._store(run, version_id, order, made, inspected)

    async def _inspect(self, run: Run, order: Order | None, made: Made, inputs: Inputs, work: Path) -> Inspected:
        """What must not reach a preview raises, by what it says of itself before it is decoded, and by what it is."""
        kind = run.request.asset_kind
        if order is None:
            return await self.studio.inspect(made.path, kind, work, inputs.beside)
        expect = partial(check, kind, made.asked or order.asked)
        try:
            inspected = await self.studio.inspect(made.path, kind, work, inputs.beside, expect)
            expect(inspected.media)
        except RetakeError as e:
            await self._keep_bad(run, order, made, e)
            raise
        return inspected

    async def _generate(self, run: Run, order: Order, work: Path, reporter: Reporter) -> Made:
        maker = self.makers.get(run.provider)
        if maker is None:
            raise provider_unknown(run.provider, sorted(self.makers))
        reporter.begin(Step.RENDERING, order.position)
        began, outcome = self.clock.monotonic(), "cancelled"
        try:
            made = await maker.make(order, work, reporter.share)
            outcome = "made"
        except RetakeError as e:
            outcome = e.code
            raise
        finally:
            self.meter.provider_took(run.provider, run.model, self.clock.monotonic() - began, outcome)
        return made

    def _order(self, run: Run, position: int, inputs: Inputs) -> Order:
        r = run.request
        assert run.model is not None
        model = self.catalogue.get(run.model)
        values = {name: s.value for name, s in run.settings.items() if name in model.properties}
        seed = None if run.seed is None else (run.seed + position) % MAX_SEED
        output = r.project_settings.output
        moving = r.asset_kind is AssetKind.VIDEO
        has_frame = moving or r.asset_kind.is_picture
        return Order(
            run_id=run.run_id,
            position=position,
            attempt=run.attempt,
            kind=r.asset_kind,
            model=model,
            directions=run.directions,
            prompt=styled(r.asset_kind, run.directions, r.project_settings, r.overrides),
            settings=values | ({} if seed is None else {"seed": seed}),
            seed=seed,
            label=r.label,
            frame=frame_of(run.settings, output) if has_frame else None,
            fps=output.fps if moving else None,
            duration_s=values.get("duration"),
            starting_image=inputs.starting_image,
            references=inputs.references,
        )

    async def _store(self, run: Run, version_id: str, order: Order | None, made: Made, inspected: Inspected) -> Version:
        r = run.request
        settings = run.settings
        if order and order.seed is not None:
            settings = settings | {"seed": Setting(value=order.seed, source=settings["seed"].source)}
        return Version(
            version_id=version_id,
            version_number=0,
            object=await self._put(version_id, r.asset_kind.value, made.path, made.content_type),
            poster=await self._put_beside(version_id, "poster", inspected.poster, JPEG),
            filmstrip=await self._put_beside(version_id, "filmstrip", inspected.filmstrip, JPEG),
            proxy=await self._put_beside(version_id, "proxy", inspected.proxy, "video/mp4"),
            last_frame=await self._put_beside(version_id, "last-frame", inspected.last_frame, JPEG),
            media=inspected.media,
            quality=inspected.quality,
            directions=run.directions,
            model=run.model,
            provider=run.provider,
            seed=order.seed if order else None,
            starting_image_version_id=r.starting_image_version_id if order else None,
            settings=settings,
            cost=made.cost,
            info=dict(made.info),
        )

    async def _keep_bad(self, run: Run, order: Order, made: Made, error: RetakeError) -> None:
        """What a provider made and we do not take stays for a week, so that it can be shown to its support."""
        key = f"failed/{run.run_id}/{order.position}-{run.attempt}{made.path.suffix}"
        try:
            await self.objects.own.put_file(key, made.path, made.content_type, move=True)
        except RetakeError as e:  # the run fails for its own reason, whatever becomes of the file
            log.warning("output.not_kept", key=key, code=e.code, cause=e.cause)
        else:
            log.warning("output.kept", key=key, code=error.code, cause=error.cause)

    async def _put_beside(self, version_id: str, name: str, path: Path | None, content_type: str) -> ObjectRef | None:
        return None if path is None else await self._put(version_id, name, path, content_type)

    async def _put(self, version_id: str, name: str, path: Path, content_type: str) -> ObjectRef:
        key = f"versions/{version_id}/{name}{path.suffix}"
        return await self.objects.own.put_file(key, path, content_type, move=True)


def _provenance(unsigned: str | None) -> dict[str, str]:
    """What is shown of it beside the provider's own facts."""
    return {"provenance": "signed"} if unsigned is None else {"provenance": "unsigned", "unsigned_reason": unsigned}


def _origin(run: Run, version_id: str, order: Order | None, inputs: Inputs) -> Origin:
    """Words of users are not told: a file goes further than they may wish."""
    r = run.request
    facts = {
        "version_id": version_id,
        "run_id": run.run_id,
        "asset_id": r.asset_id,
        "kind": r.asset_kind.value,
        "source": r.source.value,
        "model": run.model if order else None,
        "seed": order.seed if order else None,
        "requested_by": r.actor.user_id,
        "approved_without_review": r.auto_approve,
    }
    return Origin(
        r.label, run.model if order else None, facts, inputs.brought, inputs.starting_image, r.starting_image_version_id
    )
