"""Runs, versions, decisions."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.app_state import Json
from services.gateway.api.await_verdict import Starting, after_verdict
from services.gateway.api.context import Result, SignedIn, UnitOfWork, json_response
from services.gateway.api.documents import POST, WITH_BODY, answers, listing
from services.gateway.api.headers import Paging, Prefer, json_only, listed, location
from services.gateway.api.path_ids import ProjectId, RunId, VersionId
from services.gateway.api.prefer_wait import get_waiting, then_wait
from services.gateway.api.problems import Slug
from services.gateway.api.schemas.runs import Decision, Review, Run, Version
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import cancel_run, reopen_run
from services.gateway.commands.versions import roll_back
from services.gateway.domain.accounts import Role

router = APIRouter(tags=["runs"], dependencies=[Depends(json_only)])
_AT_REST = {200: "At rest, with `Prefer: wait`."}


@router.get(
    "/projects/{project_id}/runs",
    **answers(listing(Run), filters="kind status provider episode_id segment_id asset_id batch_id run_id"),
    summary="A project's runs",
)
async def runs(project_id: ProjectId, page: Paging, context: SignedIn) -> Response:
    """Of every asset in it, newest first."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("project", project_id, Role.VIEWER)
        return listed(await work.views.runs(page, project_id=project_id))

    return json_response(await context.read(look))


@router.get(
    "/projects/{project_id}/reviews",
    **answers(listing(Review), filters="kind action status episode_id segment_id asset_id run_id version_id"),
    summary="Every decision",
)
async def reviews(project_id: ProjectId, page: Paging, context: SignedIn) -> Response:
    """Who decided what, when, on which version, with rating, feedback and changes. `status` is the verdict."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("project", project_id, Role.VIEWER)
        return listed(await work.views.reviews(page, project_id=project_id))

    return json_response(await context.read(look))


@router.get("/runs/{run_id}", **answers(Run, headers=("Preference-Applied",)), summary="A run")
async def run(run_id: RunId, prefer: Prefer, context: SignedIn) -> Response:
    """With its steps, its versions and its review. `Prefer: wait=N` holds the answer until it rests."""
    return await get_waiting(context, "run", run_id, prefer)


@router.post(
    "/runs/{run_id}/cancel",
    **answers(Run, *POST, Slug.INVALID_STATE, status=202, also=_AT_REST),
    summary="Cancel a run that is queued or generating (editor)",
)
async def cancel(run_id: RunId, prefer: Prefer, context: SignedIn) -> Response:
    """A preview is not cancelled: reject it."""

    async def effect(work: UnitOfWork) -> Result:
        await cancel_run(work.store, await work.require_role("run", run_id, Role.EDITOR), run_id)
        return Result(202, await work.views.run(run_id), location(f"/runs/{run_id}"))

    return await context.command(effect, then=then_wait(context, "run", prefer))


@router.post(
    "/runs/{run_id}/review",
    **answers(
        Review,
        *WITH_BODY,
        *POST,
        Slug.ALREADY_DECIDED,
        Slug.INVALID_STATE,
        Slug.GONE,
        Slug.SPEND_CAP_REACHED,
        also={202: "The verdict follows on the stream."},
    ),
    summary="Accept or reject, once (reviewer)",
)
async def review(run_id: RunId, body: Decision, prefer: Prefer, context: SignedIn) -> Response:
    """Waits up to 5 s for the verdict; of 50 decisions at once one counts and 49 get 409."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("run", run_id, Role.REVIEWER)
        done = await submit_decision(
            work.store,
            caller,
            SubmitDecision(
                run_id,
                body.action,
                body.version_id,
                body.rating,
                body.feedback,
                body.suggested_changes,
                body.regenerate,
            ),
        )
        return Result(202, await work.views.review(done.decision_id), location(f"/runs/{run_id}"))

    return await context.command(effect, then=after_verdict(context, prefer))


@router.post(
    "/runs/{run_id}/reopen",
    **answers(Run, *POST, Slug.BUSY, Slug.GONE, Slug.INVALID_STATE, status=202, also=_AT_REST),
    summary="Offer an expired or rejected preview again, at no cost (reviewer)",
)
async def reopen(run_id: RunId, prefer: Prefer, context: SignedIn) -> Response:
    """A new run with a new deadline offers the same version. 410 once retention has deleted its bytes."""
    starting = Starting(context, prefer)

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("run", run_id, Role.REVIEWER)
        return await starting.answer(work, await reopen_run(work.store, caller, run_id))

    return await context.command(effect, then=starting.then)


@router.get("/versions/{version_id}", **answers(Version), summary="A version")
async def version(version_id: VersionId, context: SignedIn) -> Response:
    """Its URLs are signed for the caller and live for 1 to 2 hours."""
    return json_response(await context.see("version", version_id, lambda v: v.version(version_id)))


@router.post(
    "/versions/{version_id}/rollback",
    **answers(Run, *POST, Slug.BUSY, Slug.GONE, Slug.INVALID_STATE, status=202, also=_AT_REST),
    summary="Commit an earlier accepted version again (editor)",
)
async def rollback(version_id: VersionId, prefer: Prefer, context: SignedIn) -> Response:
    """Its directions and settings come back with it; skips review."""
    starting = Starting(context, prefer)

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("version", version_id, Role.EDITOR)
        return await starting.answer(work, await roll_back(work.store, caller, version_id))

    return await context.command(effect, then=starting.then)
