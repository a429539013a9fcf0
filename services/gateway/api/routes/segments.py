"""Segments: add, read, change, delete."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.context import Snapshot, UnitOfWork
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, answers
from services.gateway.api.headers import IfMatch, Paging, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import EpisodeId, SegmentId
from services.gateway.api.responses import NO_CONTENT, Result, changed, created, json_response, with_etag
from services.gateway.api.schemas.segments import NewSegment, Segment, SegmentChanges, SegmentList
from services.gateway.api.transactions import transactional
from services.gateway.commands.segments import AddSegment, add_segment, change_segment, delete_segment, restore_segment
from services.gateway.domain.accounts import Role
from services.gateway.domain.problems import Slug

router = APIRouter(tags=["episodes"], dependencies=[Depends(json_only)])


@router.get(
    "/episodes/{episode_id}/segments",
    **answers(SegmentList, filters="kind segment_id"),
    summary="List the segments in film order",
)
async def segments(episode_id: EpisodeId, page: Paging, work: Snapshot) -> Response:
    """Each as GET segment shows it. Pages follow the film's order, not the time of creation."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    return json_response(await work.queries.segments(episode_id, page))


@router.post(
    "/episodes/{episode_id}/segments",
    **answers(Segment, *WITH_BODY, *POST, status=201, headers=("ETag",)),
    summary="Add a segment with its assets (editor)",
)
@idempotent()
async def add(episode_id: EpisodeId, body: NewSegment, work: UnitOfWork) -> Result:
    """At `position`, else at the end. Its video, starting image and narration come with it."""
    caller = await work.require_role("episode", episode_id, Role.EDITOR)
    command = AddSegment(
        body.type,
        body.scene_info,
        body.duration,
        body.position,
        body.directions,
        body.transition_after,
        body.user_notes,
        body.scene_id,
        body.shot_id,
        body.style,
        body.characters,
    )
    segment_id = await add_segment(work.store, caller, episode_id, command)
    return created(await work.queries.segment(segment_id), f"/segments/{segment_id}")


@router.get("/segments/{segment_id}", **answers(Segment, headers=("ETag",)), summary="Get a segment")
async def segment(segment_id: SegmentId, work: Snapshot) -> Response:
    """Its video as it waits for a decision, else as it is committed, and the versions before."""
    await work.require_role("segment", segment_id, Role.VIEWER)
    return with_etag(await work.queries.segment(segment_id))


@router.patch(
    "/segments/{segment_id}",
    **answers(Segment, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    summary="Change a segment (editor)",
)
@transactional
async def change(segment_id: SegmentId, body: SegmentChanges, revision: IfMatch, work: UnitOfWork) -> Result:
    """What is left out stays; null clears. `user_notes` are for people and reach no model."""
    caller = await work.require_role("segment", segment_id, Role.EDITOR)
    await change_segment(work.store, caller, segment_id, revision, body.sent())
    return changed(await work.queries.segment(segment_id))


@router.delete(
    "/segments/{segment_id}", **answers(None, status=204, description="Deleted."), summary="Delete a segment (editor)"
)
@transactional
async def delete(segment_id: SegmentId, work: UnitOfWork) -> Result:
    """With its assets. Their runs are cancelled, their previews withdrawn; films that show it stay."""
    await delete_segment(work.store, await work.require_role("segment", segment_id, Role.EDITOR), segment_id)
    return NO_CONTENT


@router.post(
    "/segments/{segment_id}/restore",
    **answers(Segment, *POST, Slug.GONE, Slug.INVALID_STATE, Slug.STORAGE_FULL, Slug.INVALID, headers=("ETag",)),
    summary="Restore a deleted segment (editor)",
)
@idempotent()
async def restore(segment_id: SegmentId, work: UnitOfWork) -> Result:
    """For 46 hours after it was deleted: back to where it was, with its texts, assets and versions. What was generating
    or waiting for a decision then stays cancelled."""
    caller = await work.require_role("deleted segment", segment_id, Role.EDITOR)
    await restore_segment(work.store, caller, segment_id)
    return changed(await work.queries.segment(segment_id))
