"""Reviews: decide on previews, reopen them, list the decisions."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.await_verdict import until_run_rests, until_verdict
from services.gateway.api.context import Snapshot, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, WORK, answers
from services.gateway.api.headers import Paging, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import ProjectId, RunId, SegmentId
from services.gateway.api.responses import Result, accepted, json_response
from services.gateway.api.schemas.reviews import Approval, Decision, Rejection, Review, ReviewList
from services.gateway.api.schemas.runs import Run
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import find_waiting_run, reopen_run
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.problems import Slug

router = APIRouter(tags=["runs"], dependencies=[Depends(json_only)])
_PENDING: Final = {202: "The verdict arrives on the stream."}
_DECIDED: Final = (Slug.ALREADY_DECIDED, Slug.INVALID_STATE, Slug.GONE)


@router.get(
    "/projects/{project_id}/reviews",
    **answers(ReviewList, filters="kind action status episode_id segment_id asset_id run_id version_id"),
    summary="List the reviews",
)
async def reviews(project_id: ProjectId, page: Paging, work: Snapshot) -> Response:
    """Who decided what, when, on which version, with rating, feedback and changes. `status` is the verdict."""
    await work.require_role("project", project_id, Role.VIEWER)
    return json_response(await work.queries.reviews(page, project_id=project_id))


@router.post(
    "/runs/{run_id}/review",
    **answers(Review, *WITH_BODY, *POST, *_DECIDED, *WORK, also=_PENDING),
    summary="Accept or reject, once (reviewer)",
)
@idempotent(until_verdict)
async def decide(run_id: RunId, body: Decision, work: UnitOfWork) -> Result:
    """Waits up to 5 s for the verdict; of 50 decisions at once one counts and 49 get 409."""
    caller = await work.require_role("run", run_id, Role.REVIEWER)
    command = SubmitDecision(
        run_id,
        body.action,
        body.version_id,
        body.rating,
        body.feedback,
        body.suggested_changes,
        body.regenerate,
        body.note_ids,
    )
    return await _submit(work, caller, command)


@router.post(
    "/segments/{segment_id}/approve",
    **answers(Review, *WITH_BODY, *POST, *_DECIDED, also=_PENDING),
    tags=["workflow"],
    summary="Accept the waiting video (reviewer)",
)
@idempotent(until_verdict)
async def approve(segment_id: SegmentId, body: Approval, work: UnitOfWork) -> Result:
    """Acts on the preview that waits; send `version_id`, or you may approve one that you did not watch."""
    caller = await work.require_role("segment", segment_id, Role.REVIEWER)
    run_id = await find_waiting_run(work.store, caller, segment_id)
    return await _submit(work, caller, SubmitDecision(run_id, "approve", body.version_id, body.rating, body.feedback))


@router.post(
    "/segments/{segment_id}/reject",
    **answers(Review, *WITH_BODY, *POST, *_DECIDED, *WORK, also=_PENDING),
    tags=["workflow"],
    summary="Reject the waiting video (reviewer)",
)
@idempotent(until_verdict)
async def reject(segment_id: SegmentId, body: Rejection, work: UnitOfWork) -> Result:
    """Acts on the preview that waits. `suggested_changes` start the next run at once, if an editor sends them."""
    caller = await work.require_role("segment", segment_id, Role.REVIEWER)
    run_id = await find_waiting_run(work.store, caller, segment_id)
    command = SubmitDecision(
        run_id,
        "reject",
        body.version_id,
        body.rating,
        body.reason,
        body.suggested_changes,
        body.regenerate,
        body.note_ids,
    )
    return await _submit(work, caller, command)


async def _submit(work: UnitOfWork, caller: Caller, command: SubmitDecision) -> Result:
    decision_id = (await submit_decision(work.store, caller, command)).decision_id
    review = await work.queries.review(decision_id)
    return accepted(review, f"/runs/{command.run_id}", decision_id=decision_id)


@router.post(
    "/runs/{run_id}/reopen",
    **answers(
        Run,
        *POST,
        Slug.BUSY,
        Slug.GONE,
        Slug.INVALID_STATE,
        status=202,
        also={200: "The work at rest, with `Prefer: wait`."},
    ),
    summary="Offer an expired or rejected preview again, at no cost (reviewer)",
)
@idempotent(until_run_rests)
async def reopen(run_id: RunId, work: UnitOfWork) -> Result:
    """A new run with a new deadline offers the same version. 410 once retention has deleted its bytes."""
    caller = await work.require_role("run", run_id, Role.REVIEWER)
    admitted = await reopen_run(work.store, caller, run_id)
    run = await work.queries.run(admitted.run_id)
    return accepted(run, f"/runs/{admitted.run_id}", decision_id=admitted.decision_id)
