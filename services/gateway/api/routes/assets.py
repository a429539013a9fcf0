"""Assets: their draft, their runs, their versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.gateway.api.app_state import Json
from services.gateway.api.await_verdict import Starting
from services.gateway.api.context import Result, SignedIn, UnitOfWork, etag, json_response
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, WORK, answers, listing
from services.gateway.api.headers import IfMatch, Paging, Prefer, json_only, listed
from services.gateway.api.path_ids import AssetId
from services.gateway.api.problems import Slug, invalid
from services.gateway.api.schemas.base import EXAMPLE_ID
from services.gateway.api.schemas.episodes import Asset, NewDraft
from services.gateway.api.schemas.runs import Comparison, NewRun, NewVersion, Run, Version
from services.gateway.commands.assets import drop_draft, save_draft
from services.gateway.commands.run_admission import StartRun
from services.gateway.commands.runs import start_run
from services.gateway.commands.versions import RegisterVersion, register_version
from services.gateway.domain.accounts import Role

router = APIRouter(prefix="/assets/{asset_id}", tags=["runs"], dependencies=[Depends(json_only)])
MOST_COMPARED = 8


@router.get("", **answers(Asset, headers=("ETag",)), summary="An asset")
async def asset(asset_id: AssetId, context: SignedIn) -> Response:
    """Its draft, what a run would use by default, the committed version, and the run that is active or waits."""
    found = await context.see("asset", asset_id, lambda v: v.asset(asset_id))
    return json_response(found, headers=etag(found["revision"]))


@router.put("/draft", **answers(Asset, *WITH_BODY, *CONDITIONAL, headers=("ETag",)), summary="Save the draft (editor)")
async def put_draft(asset_id: AssetId, body: NewDraft, revision: IfMatch, context: SignedIn) -> Response:
    """What the next run will take. Runs never change it; a rejected preview leaves it as it is."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("asset", asset_id, Role.EDITOR)
        await save_draft(work.store, caller, asset_id, revision, body.directions, body.settings)
        found = await work.views.asset(asset_id)
        return Result(200, found, etag(found["revision"]))

    return await context.change(effect)


@router.delete("/draft", **answers(None, status=204, description="Dropped."), summary="Drop the draft (editor)")
async def delete_draft(asset_id: AssetId, context: SignedIn) -> Response:
    """The next run then builds on the committed version again. Nothing happens if there is none."""

    async def effect(work: UnitOfWork) -> Result:
        await drop_draft(work.store, await work.require_role("asset", asset_id, Role.EDITOR), asset_id, None)
        return Result(204)

    return await context.change(effect)


@router.get("/runs", **answers(listing(Run), filters="status provider batch_id run_id"), summary="Its runs")
async def runs(asset_id: AssetId, page: Paging, context: SignedIn) -> Response:
    """Newest first, active ones and those that have ended."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("asset", asset_id, Role.VIEWER)
        return listed(await work.views.runs(page, asset_id=asset_id))

    return json_response(await context.read(look))


@router.post(
    "/runs",
    **answers(
        Run, *WITH_BODY, *POST, *WORK, Slug.ALREADY_DECIDED, status=202, also={200: "At rest, with `Prefer: wait`."}
    ),
    summary="Regenerate it (editor)",
)
async def regenerate(asset_id: AssetId, body: NewRun, prefer: Prefer, context: SignedIn) -> Response:
    """While a preview waits this closes it (request_regeneration) and starts the new run, in one request."""
    starting = Starting(context, prefer)

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("asset", asset_id, Role.EDITOR)
        command = StartRun(asset_id, body.directions, body.model, body.settings, body.variants, body.suggested_changes)
        return await starting.answer(work, await start_run(work.store, caller, command))

    return await context.command(effect, then=starting.then)


@router.get(
    "/versions", **answers(listing(Version), filters="status provider run_id version_id"), summary="Its versions"
)
async def versions(asset_id: AssetId, page: Paging, context: SignedIn) -> Response:
    """Newest first. Those whose bytes retention has deleted are `gone`."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("asset", asset_id, Role.VIEWER)
        return listed(await work.views.versions(asset_id, page))

    return json_response(await context.read(look))


@router.post(
    "/versions",
    **answers(Run, *WITH_BODY, *POST, Slug.BUSY, status=202, also={200: "At rest, with `Prefer: wait`."}),
    summary="Bring one's own file as a version (editor)",
)
async def bring(asset_id: AssetId, body: NewVersion, prefer: Prefer, context: SignedIn) -> Response:
    """It is verified, previewed and reviewed like any other."""
    if (body.upload_id is None) == (body.url is None):
        raise invalid(("/upload_id", "give either upload_id or url"))
    starting = Starting(context, prefer)

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("asset", asset_id, Role.EDITOR)
        command = RegisterVersion(asset_id, body.upload_id, body.url, body.directions)
        return await starting.answer(work, await register_version(work.store, caller, command))

    return await context.command(effect, then=starting.then)


@router.get("/compare", **answers(Comparison, Slug.GONE), summary="Versions side by side")
async def compare(
    asset_id: AssetId,
    versions: Annotated[
        str,
        Query(
            description="2 to 8 version ids, with commas between.",
            examples=[f"{EXAMPLE_ID},{EXAMPLE_ID}"],
            json_schema_extra={"pattern": r"^[^,]+(,[^,]+){1,7}$"},
        ),
    ],
    context: SignedIn,
) -> Response:
    """With what differs between them, field by field. At most 8; versions of other assets are not found."""
    ids = [v for v in versions.split(",") if v]
    if not 2 <= len(ids) <= MOST_COMPARED:
        raise invalid(("query:versions", f"name 2 to {MOST_COMPARED} versions"))
    return json_response(await context.see("asset", asset_id, lambda v: v.compare(asset_id, ids)))
