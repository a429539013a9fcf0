"""Episodes: create, read, change, order, history."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.gateway.api.context import Snapshot, UnitOfWork
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, answers
from services.gateway.api.headers import IfMatch, IfNoneMatch, Paging, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import EpisodeId, ProjectId
from services.gateway.api.responses import (
    NO_CONTENT,
    Result,
    changed,
    created,
    json_response,
    snapshot_response,
    with_etag,
)
from services.gateway.api.schemas.episodes import (
    Episode,
    EpisodeChanges,
    EpisodeOutline,
    EpisodeSummaryList,
    NewEpisode,
    NewOrder,
    Order,
    RevisionList,
)
from services.gateway.api.schemas.projects import Metrics
from services.gateway.api.schemas.segments import SegmentsStatus
from services.gateway.api.transactions import transactional
from services.gateway.commands.episodes import CreateEpisode, change_episode, create_episode, delete_episode
from services.gateway.commands.segments import order_segments
from services.gateway.domain.accounts import Role

router = APIRouter(tags=["episodes"], dependencies=[Depends(json_only)])


@router.get(
    "/projects/{project_id}/episodes",
    **answers(EpisodeSummaryList, filters="episode_id"),
    summary="A project's episodes",
)
async def episodes(project_id: ProjectId, page: Paging, work: Snapshot) -> Response:
    """Without their segments: GET one for everything in it."""
    await work.require_role("project", project_id, Role.VIEWER)
    return json_response(await work.queries.episodes(project_id, page))


@router.post(
    "/projects/{project_id}/episodes",
    **answers(Episode, *WITH_BODY, *POST, status=201, headers=("ETag",)),
    summary="Create an episode (editor)",
)
@idempotent()
async def create(project_id: ProjectId, body: NewEpisode, work: UnitOfWork) -> Result:
    """With its segments, as in a document; starting images come by POST imports."""
    caller = await work.require_role("project", project_id, Role.EDITOR)
    episode_id = await create_episode(work.store, caller, CreateEpisode(body.sent()))
    return created(await work.queries.episode(episode_id), f"/episodes/{episode_id}")


@router.get(
    "/episodes/{episode_id}",
    **answers(Episode, headers=("ETag",), not_modified=True),
    summary="Get an episode with its segments and assets",
)
async def episode(episode_id: EpisodeId, request: Request, work: Snapshot, _given: IfNoneMatch = None) -> Response:
    """What clients refresh from: open the project's stream at `cursor`, and nothing is missed. With `If-None-Match` of
    an earlier response, 304 while nothing but the cursor has changed; links change hourly."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    found = await work.queries.episode(episode_id)
    return snapshot_response(request, found, ignored=found.cursor)


@router.get(
    "/episodes/{episode_id}/outline",
    **answers(EpisodeOutline, headers=("ETag",), not_modified=True),
    summary="Get an episode as a timeline shows it",
)
async def outline(episode_id: EpisodeId, request: Request, work: Snapshot, _given: IfNoneMatch = None) -> Response:
    """A fifth of GET episode: states and URLs, without versions, settings and drafts. `If-None-Match` as there."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    found = await work.queries.outline(episode_id)
    return snapshot_response(request, found, ignored=found.cursor)


@router.patch(
    "/episodes/{episode_id}",
    **answers(Episode, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    summary="Change title, description or output (editor)",
)
@transactional
async def change(episode_id: EpisodeId, body: EpisodeChanges, revision: IfMatch, work: UnitOfWork) -> Result:
    """What is left out stays. Another `output` counts for the next film."""
    caller = await work.require_role("episode", episode_id, Role.EDITOR)
    await change_episode(work.store, caller, episode_id, revision, body.sent())
    return changed(await work.queries.episode(episode_id))


@router.delete(
    "/episodes/{episode_id}", **answers(None, status=204, description="Deleted."), summary="Delete an episode (editor)"
)
@transactional
async def delete(episode_id: EpisodeId, work: UnitOfWork) -> Result:
    """With its segments, assets and films. Runs that are active are cancelled, previews withdrawn."""
    await delete_episode(work.store, await work.require_role("episode", episode_id, Role.EDITOR), episode_id)
    return NO_CONTENT


@router.get("/episodes/{episode_id}/order", **answers(Order, headers=("ETag",)), summary="The order of its segments")
async def order(episode_id: EpisodeId, work: Snapshot) -> Response:
    """Every segment's id, in film order. Its revision is counted apart from the episode's."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    return with_etag(await work.queries.order(episode_id))


@router.put(
    "/episodes/{episode_id}/order",
    **answers(Order, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    summary="Reorder (editor)",
)
@transactional
async def reorder(episode_id: EpisodeId, body: NewOrder, revision: IfMatch, work: UnitOfWork) -> Result:
    """Names every segment once. Someone else's reorder in the meantime: 412."""
    caller = await work.require_role("episode", episode_id, Role.EDITOR)
    await order_segments(work.store, caller, episode_id, revision, body.segment_ids)
    return changed(await work.queries.order(episode_id))


@router.get("/episodes/{episode_id}/revisions", **answers(RevisionList), summary="List the changes, newest first")
async def revisions(episode_id: EpisodeId, page: Paging, work: Snapshot) -> Response:
    """Edits, commits and reorders, each with who made it."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    return json_response(await work.queries.revisions(episode_id, page))


@router.get("/episodes/{episode_id}/metrics", **answers(Metrics), summary="Get the review metrics of an episode")
async def metrics(episode_id: EpisodeId, work: Snapshot) -> Response:
    """As of the project, for this episode alone; the formulas are in docs/guide/metrics.md."""
    caller = await work.require_role("episode", episode_id, Role.VIEWER)
    return json_response(await work.queries.metrics(caller.project_id, episode_id))


@router.get(
    "/episodes/{episode_id}/segments/status",
    **answers(SegmentsStatus),
    tags=["workflow"],
    summary="Get the status of the segments",
)
async def segments_status(episode_id: EpisodeId, work: Snapshot) -> Response:
    """For progress bars: the counts, and each segment's state with its URLs."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    return json_response(await work.queries.segments_status(episode_id))
