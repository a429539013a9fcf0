"""Runs: regenerate an asset, follow the run, cancel it."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.await_verdict import until_run_rests
from services.gateway.api.context import SignedIn, Snapshot, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, WORK, answers
from services.gateway.api.headers import Paging, Prefer, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import AssetId, ProjectId, RunId, SegmentId
from services.gateway.api.prefer_wait import get_at_rest, until_rest
from services.gateway.api.responses import Result, accepted, json_response
from services.gateway.api.schemas.estimates import Estimate
from services.gateway.api.schemas.runs import NewRun, Regeneration, Run, RunList
from services.gateway.api.transactions import DryRun
from services.gateway.commands.assets import asset_of_segment
from services.gateway.commands.estimates import estimate_run
from services.gateway.commands.runs import StartRun, cancel_run, start_run
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.problems import Slug
from shared.contracts.values import AssetKind

router = APIRouter(tags=["runs"], dependencies=[Depends(json_only)])
_LONG: Final[dict[str, Any]] = {"status": 202, "also": {200: "The work at rest, with `Prefer: wait`."}}


@router.get(
    "/runs",
    **answers(RunList, filters="kind status provider project_id episode_id segment_id asset_id batch_id run_id"),
    summary="The runs of all your projects",
)
async def mine(page: Paging, work: Snapshot) -> Response:
    """Newest first, each with the names of its project and episode. With `status=preview_ready`: all that waits for a
    decision."""
    return json_response(await work.queries.my_runs(page))


@router.get(
    "/projects/{project_id}/runs",
    **answers(RunList, filters="kind status provider episode_id segment_id asset_id batch_id run_id"),
    summary="A project's runs",
)
async def runs(project_id: ProjectId, page: Paging, work: Snapshot) -> Response:
    """Of every asset in it, newest first."""
    await work.require_role("project", project_id, Role.VIEWER)
    return json_response(await work.queries.runs(page, project_id=project_id))


@router.get(
    "/assets/{asset_id}/runs",
    **answers(RunList, filters="status provider batch_id run_id"),
    summary="List the runs of an asset",
)
async def of_asset(asset_id: AssetId, page: Paging, work: Snapshot) -> Response:
    """Newest first, active ones and those that have ended."""
    await work.require_role("asset", asset_id, Role.VIEWER)
    return json_response(await work.queries.runs(page, asset_id=asset_id))


@router.post(
    "/assets/{asset_id}/runs",
    **answers(Run, *WITH_BODY, *POST, *WORK, Slug.ALREADY_DECIDED, dry_run=Estimate, **_LONG),
    summary="Regenerate it (editor)",
)
@idempotent(until_run_rests)
async def regenerate(asset_id: AssetId, body: NewRun, work: UnitOfWork) -> Result:
    """While a preview waits this closes it (request_regeneration) and starts the new run, in one request."""
    caller = await work.require_role("asset", asset_id, Role.EDITOR)
    command = StartRun(asset_id, body.directions, body.model, body.settings, body.variants, body.suggested_changes)
    return await _start(work, caller, command, body.dry_run)


@router.post(
    "/segments/{segment_id}/regenerate",
    **answers(Run, *WITH_BODY, *POST, *WORK, Slug.ALREADY_DECIDED, dry_run=Estimate, **_LONG),
    tags=["workflow"],
    summary="Make another version of the video (editor)",
)
@idempotent(until_run_rests)
async def regenerate_segment(segment_id: SegmentId, body: Regeneration, work: UnitOfWork) -> Result:
    """Changes build on the parent run (rejected or waiting), else the draft, else the committed version."""
    caller = await work.require_role("segment", segment_id, Role.EDITOR)
    asset_id = await asset_of_segment(work.store, caller, segment_id, AssetKind.VIDEO)
    return await _start(
        work, caller, StartRun(asset_id, changes=body.changes, keep_original=body.keep_original), body.dry_run
    )


async def _start(work: UnitOfWork, caller: Caller, command: StartRun, dry_run: bool) -> Result:
    if dry_run:
        estimate = await estimate_run(work.store, caller, command)
        raise DryRun(Result(200, await work.queries.estimate(caller.project_id, estimate)))
    admitted = await start_run(work.store, caller, command)
    run = await work.queries.run(admitted.run_id)
    return accepted(run, f"/runs/{admitted.run_id}", decision_id=admitted.decision_id)


@router.get("/runs/{run_id}", **answers(Run, headers=("Preference-Applied",)), summary="Get a run")
async def run(run_id: RunId, prefer: Prefer, context: SignedIn) -> Response:
    """With its steps, its versions and its review. `Prefer: wait=N` holds the answer until it rests."""
    return await get_at_rest(context, "run", run_id, prefer)


@router.post(
    "/runs/{run_id}/cancel",
    **answers(Run, *POST, Slug.INVALID_STATE, **_LONG),
    summary="Cancel a run that is queued or generating (editor)",
)
@idempotent(until_rest("run"))
async def cancel(run_id: RunId, work: UnitOfWork) -> Result:
    """A preview is not cancelled: reject it."""
    await cancel_run(work.store, await work.require_role("run", run_id, Role.EDITOR), run_id)
    return accepted(await work.queries.run(run_id), f"/runs/{run_id}")
