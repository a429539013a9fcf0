"""Segments, and the aliases of seed 004 for their videos."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.await_verdict import Starting, after_verdict
from services.gateway.api.context import Result, SignedIn, UnitOfWork, etag, json_response
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, WORK, answers
from services.gateway.api.headers import IfMatch, Prefer, json_only, location
from services.gateway.api.path_ids import SegmentId
from services.gateway.api.problems import Slug
from services.gateway.api.schemas.episodes import Segment, SegmentChanges
from services.gateway.api.schemas.runs import Approval, Regeneration, Rejection, Review, Run
from services.gateway.commands.assets import asset_of_segment
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.run_admission import StartRun
from services.gateway.commands.runs import find_waiting_run, start_run
from services.gateway.commands.segments import change_segment, delete_segment
from services.gateway.domain.accounts import Role
from shared.contracts.values import AssetKind

router = APIRouter(prefix="/segments/{segment_id}", tags=["episodes"], dependencies=[Depends(json_only)])
_PENDING = {202: "The verdict follows on the stream."}
_DECIDED = (Slug.ALREADY_DECIDED, Slug.INVALID_STATE, Slug.GONE)


@router.get("", **answers(Segment, headers=("ETag",)), summary="A segment")
async def segment(segment_id: SegmentId, context: SignedIn) -> Response:
    """Its video as it waits for a decision, else as it is committed, and the versions before."""
    found = await context.see("segment", segment_id, lambda v: v.segment(segment_id))
    return json_response(found, headers=etag(found["revision"]))


@router.patch("", **answers(Segment, *WITH_BODY, *CONDITIONAL, headers=("ETag",)), summary="Change a segment (editor)")
async def change(segment_id: SegmentId, body: SegmentChanges, revision: IfMatch, context: SignedIn) -> Response:
    """What is left out stays; null clears. `user_notes` are for people and reach no model."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("segment", segment_id, Role.EDITOR)
        await change_segment(work.store, caller, segment_id, revision, body.sent())
        found = await work.views.segment(segment_id)
        return Result(200, found, etag(found["revision"]))

    return await context.change(effect)


@router.delete("", **answers(None, status=204, description="Deleted."), summary="Delete a segment (editor)")
async def delete(segment_id: SegmentId, context: SignedIn) -> Response:
    """With its assets. Their runs are cancelled, their previews withdrawn; films that show it stay."""

    async def effect(work: UnitOfWork) -> Result:
        await delete_segment(work.store, await work.require_role("segment", segment_id, Role.EDITOR), segment_id)
        return Result(204)

    return await context.change(effect)


@router.post(
    "/approve",
    **answers(Review, *WITH_BODY, *POST, *_DECIDED, also=_PENDING),
    tags=["seed 004"],
    summary="Accept the waiting video (reviewer)",
)
async def approve(segment_id: SegmentId, body: Approval, prefer: Prefer, context: SignedIn) -> Response:
    """Acts on the preview that waits; send `version_id`, or you may approve one that you did not watch."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("segment", segment_id, Role.REVIEWER)
        run_id = await find_waiting_run(work.store, caller, segment_id)
        command = SubmitDecision(run_id, "approve", body.version_id, body.rating, body.feedback)
        done = await submit_decision(work.store, caller, command)
        return Result(202, await work.views.review(done.decision_id), location(f"/runs/{run_id}"))

    return await context.command(effect, then=after_verdict(context, prefer))


@router.post(
    "/reject",
    **answers(Review, *WITH_BODY, *POST, *_DECIDED, Slug.SPEND_CAP_REACHED, also=_PENDING),
    tags=["seed 004"],
    summary="Turn the waiting video down (reviewer)",
)
async def reject(segment_id: SegmentId, body: Rejection, prefer: Prefer, context: SignedIn) -> Response:
    """Acts on the preview that waits. `suggested_changes` start the next run at once, if an editor sends them."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("segment", segment_id, Role.REVIEWER)
        run_id = await find_waiting_run(work.store, caller, segment_id)
        done = await submit_decision(
            work.store,
            caller,
            SubmitDecision(
                run_id, "reject", body.version_id, body.rating, body.reason, body.suggested_changes, body.regenerate
            ),
        )
        return Result(202, await work.views.review(done.decision_id), location(f"/runs/{run_id}"))

    return await context.command(effect, then=after_verdict(context, prefer))


@router.post(
    "/regenerate",
    **answers(
        Run, *WITH_BODY, *POST, *WORK, Slug.ALREADY_DECIDED, status=202, also={200: "At rest, with `Prefer: wait`."}
    ),
    tags=["seed 004"],
    summary="Make another version of the video (editor)",
)
async def regenerate(segment_id: SegmentId, body: Regeneration, prefer: Prefer, context: SignedIn) -> Response:
    """Changes build on the parent run (rejected or waiting), else the draft, else the committed version."""
    starting = Starting(context, prefer)

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("segment", segment_id, Role.EDITOR)
        asset_id = await asset_of_segment(work.store, caller, segment_id, AssetKind.VIDEO)
        command = StartRun(asset_id, changes=body.changes, keep_original=body.keep_original)
        return await starting.answer(work, await start_run(work.store, caller, command))

    return await context.command(effect, then=starting.then)
