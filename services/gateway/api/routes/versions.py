"""Versions: list, compare, bring an own file, roll back."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.gateway.api.await_verdict import until_run_rests
from services.gateway.api.context import Snapshot, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import Paging, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import AssetId, VersionId
from services.gateway.api.problems import invalid
from services.gateway.api.responses import Result, accepted, json_response
from services.gateway.api.schemas.base import EXAMPLE_ID
from services.gateway.api.schemas.runs import Run
from services.gateway.api.schemas.versions import Comparison, NewVersion, Version, VersionList
from services.gateway.commands.run_admission import StartedRun
from services.gateway.commands.versions import RegisterVersion, register_version, roll_back
from services.gateway.domain.accounts import Role
from services.gateway.domain.problems import Slug

router = APIRouter(tags=["runs"], dependencies=[Depends(json_only)])
MOST_COMPARED: Final = 8
_LONG: Final[dict[str, Any]] = {"status": 202, "also": {200: "The work at rest, with `Prefer: wait`."}}


@router.get(
    "/assets/{asset_id}/versions",
    **answers(VersionList, filters="status provider run_id version_id"),
    summary="List the versions of an asset",
)
async def versions(asset_id: AssetId, page: Paging, work: Snapshot) -> Response:
    """Newest first. Those whose bytes retention has deleted are `gone`."""
    await work.require_role("asset", asset_id, Role.VIEWER)
    return json_response(await work.queries.versions(asset_id, page))


@router.post(
    "/assets/{asset_id}/versions",
    **answers(Run, *WITH_BODY, *POST, Slug.BUSY, Slug.STORAGE_FULL, **_LONG),
    summary="Register a file as a version (editor)",
)
@idempotent(until_run_rests)
async def bring(asset_id: AssetId, body: NewVersion, work: UnitOfWork) -> Result:
    """It is verified, previewed and reviewed like any other."""
    if (body.upload_id is None) == (body.url is None):
        raise invalid(("/upload_id", "Give either upload_id or url"))
    caller = await work.require_role("asset", asset_id, Role.EDITOR)
    command = RegisterVersion(asset_id, body.upload_id, body.url, body.directions)
    return await _accepted(work, await register_version(work.store, caller, command))


@router.get("/assets/{asset_id}/compare", **answers(Comparison, Slug.GONE), summary="Compare versions")
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
    work: Snapshot,
) -> Response:
    """With what differs between them, field by field. At most 8; versions of other assets are not found."""
    ids = [v for v in versions.split(",") if v]
    if not 2 <= len(ids) <= MOST_COMPARED:
        raise invalid(("query:versions", f"must name 2 to {MOST_COMPARED} versions"))
    await work.require_role("asset", asset_id, Role.VIEWER)
    return json_response(await work.queries.compare(asset_id, ids))


@router.get("/versions/{version_id}", **answers(Version), summary="Get a version")
async def version(version_id: VersionId, work: Snapshot) -> Response:
    """Its URLs are signed for the caller and live for 1 to 2 hours."""
    await work.require_role("version", version_id, Role.VIEWER)
    return json_response(await work.queries.version(version_id))


@router.post(
    "/versions/{version_id}/rollback",
    **answers(Run, *POST, Slug.BUSY, Slug.GONE, Slug.INVALID_STATE, **_LONG),
    summary="Commit an earlier accepted version again (editor)",
)
@idempotent(until_run_rests)
async def rollback(version_id: VersionId, work: UnitOfWork) -> Result:
    """Its directions and settings come back with it; skips review."""
    caller = await work.require_role("version", version_id, Role.EDITOR)
    return await _accepted(work, await roll_back(work.store, caller, version_id))


async def _accepted(work: UnitOfWork, admitted: StartedRun) -> Result:
    run = await work.queries.run(admitted.run_id)
    return accepted(run, f"/runs/{admitted.run_id}", decision_id=admitted.decision_id)
