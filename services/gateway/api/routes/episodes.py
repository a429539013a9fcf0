"""Episodes: create, read, change, order, history."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.app_state import Json
from services.gateway.api.context import Result, SignedIn, UnitOfWork, etag, json_response
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, answers, listing
from services.gateway.api.headers import IfMatch, Paging, json_only, listed, location
from services.gateway.api.path_ids import EpisodeId, ProjectId
from services.gateway.api.schemas.episodes import (
    Asset,
    Episode,
    EpisodeChanges,
    EpisodeSummary,
    NewAsset,
    NewEpisode,
    NewOrder,
    NewSegment,
    Order,
    Revision,
    Segment,
    SegmentsStatus,
)
from services.gateway.api.schemas.projects import Metrics
from services.gateway.commands.assets import AddImageAsset, add_image_asset
from services.gateway.commands.episodes import CreateEpisode, change_episode, create_episode, delete_episode
from services.gateway.commands.segments import AddSegment, add_segment, order_segments
from services.gateway.domain.accounts import Role

router = APIRouter(tags=["episodes"], dependencies=[Depends(json_only)])


@router.get(
    "/projects/{project_id}/episodes",
    **answers(listing(EpisodeSummary), filters="episode_id"),
    summary="A project's episodes",
)
async def episodes(project_id: ProjectId, page: Paging, context: SignedIn) -> Response:
    """Without their segments: GET one for everything in it."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("project", project_id, Role.VIEWER)
        return listed(await work.views.episodes(project_id, page))

    return json_response(await context.read(look))


@router.post(
    "/projects/{project_id}/episodes",
    **answers(Episode, *WITH_BODY, *POST, status=201, headers=("ETag",)),
    summary="Create an episode (editor)",
)
async def create(project_id: ProjectId, body: NewEpisode, context: SignedIn) -> Response:
    """With its segments, as in a document; starting images come by POST imports."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("project", project_id, Role.EDITOR)
        episode_id = await create_episode(work.store, caller, CreateEpisode(body.sent()))
        found = await work.views.episode(episode_id)
        return Result(201, found, location(f"/episodes/{episode_id}") | etag(found["revision"]))

    return await context.command(effect)


@router.get("/episodes/{episode_id}", **answers(Episode, headers=("ETag",)), summary="An episode and all of it")
async def episode(episode_id: EpisodeId, context: SignedIn) -> Response:
    """What clients refresh from: open the project's stream at `cursor`, and nothing is missed."""
    found = await context.see("episode", episode_id, lambda v: v.episode(episode_id))
    return json_response(found, headers=etag(found["revision"]))


@router.patch(
    "/episodes/{episode_id}",
    **answers(Episode, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    summary="Change title, description or output (editor)",
)
async def change(episode_id: EpisodeId, body: EpisodeChanges, revision: IfMatch, context: SignedIn) -> Response:
    """What is left out stays. Another `output` counts for the next film."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("episode", episode_id, Role.EDITOR)
        await change_episode(work.store, caller, episode_id, revision, body.sent())
        found = await work.views.episode(episode_id)
        return Result(200, found, etag(found["revision"]))

    return await context.change(effect)


@router.delete(
    "/episodes/{episode_id}", **answers(None, status=204, description="Deleted."), summary="Delete an episode (editor)"
)
async def delete(episode_id: EpisodeId, context: SignedIn) -> Response:
    """With its segments, assets and films. Runs that are active are cancelled, previews withdrawn."""

    async def effect(work: UnitOfWork) -> Result:
        await delete_episode(work.store, await work.require_role("episode", episode_id, Role.EDITOR), episode_id)
        return Result(204)

    return await context.change(effect)


@router.get("/episodes/{episode_id}/order", **answers(Order, headers=("ETag",)), summary="The order of its segments")
async def order(episode_id: EpisodeId, context: SignedIn) -> Response:
    """Every segment's id, in film order. Its revision is counted apart from the episode's."""
    found = await context.see("episode", episode_id, lambda v: v.order(episode_id))
    return json_response(found, headers=etag(found["revision"]))


@router.put(
    "/episodes/{episode_id}/order",
    **answers(Order, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    summary="Reorder (editor)",
)
async def reorder(episode_id: EpisodeId, body: NewOrder, revision: IfMatch, context: SignedIn) -> Response:
    """Names every segment once. Someone else's reorder in the meantime: 412."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("episode", episode_id, Role.EDITOR)
        now = await order_segments(work.store, caller, episode_id, revision, body.segment_ids)
        return Result(200, await work.views.order(episode_id), etag(now))

    return await context.change(effect)


@router.get("/episodes/{episode_id}/revisions", **answers(listing(Revision)), summary="What changed, newest first")
async def revisions(episode_id: EpisodeId, page: Paging, context: SignedIn) -> Response:
    """Edits, commits and reorders, each with who made it."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("episode", episode_id, Role.VIEWER)
        return listed(await work.views.revisions(episode_id, page))

    return json_response(await context.read(look))


@router.get("/episodes/{episode_id}/metrics", **answers(Metrics), summary="How well its reviews go")
async def metrics(episode_id: EpisodeId, context: SignedIn) -> Response:
    """As of the project, for this episode alone; the formulas are in docs/guide/metrics.md."""

    async def look(work: UnitOfWork) -> Json:
        caller = await work.require_role("episode", episode_id, Role.VIEWER)
        return await work.views.metrics(caller.project_id, episode_id)

    return json_response(await context.read(look))


@router.get(
    "/episodes/{episode_id}/segments",
    **answers(listing(Segment), filters="kind segment_id"),
    summary="Its segments, in film order",
)
async def segments(episode_id: EpisodeId, page: Paging, context: SignedIn) -> Response:
    """Each as GET segment shows it. Pages follow the film's order, not the time of creation."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("episode", episode_id, Role.VIEWER)
        return listed(await work.views.segments(episode_id, page))

    return json_response(await context.read(look))


@router.get(
    "/episodes/{episode_id}/segments/status",
    **answers(SegmentsStatus),
    tags=["seed 004"],
    summary="How far each segment is",
)
async def segments_status(episode_id: EpisodeId, context: SignedIn) -> Response:
    """For progress bars: the counts, and each segment's state with its URLs."""
    return json_response(await context.see("episode", episode_id, lambda v: v.segments_status(episode_id)))


@router.post(
    "/episodes/{episode_id}/segments",
    **answers(Segment, *WITH_BODY, *POST, status=201, headers=("ETag",)),
    summary="Add a segment with its assets (editor)",
)
async def add(episode_id: EpisodeId, body: NewSegment, context: SignedIn) -> Response:
    """At `position`, else at the end. Its video, starting image and narration come with it."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("episode", episode_id, Role.EDITOR)
        command = AddSegment(body.type, body.scene_info, body.duration, body.position, body.directions)
        segment_id = await add_segment(work.store, caller, episode_id, command)
        found = await work.views.segment(segment_id)
        return Result(201, found, location(f"/segments/{segment_id}") | etag(found["revision"]))

    return await context.command(effect)


@router.get(
    "/episodes/{episode_id}/assets",
    **answers(listing(Asset), filters="kind stale segment_id asset_id"),
    summary="Its assets",
)
async def assets(episode_id: EpisodeId, page: Paging, context: SignedIn) -> Response:
    """Each as GET asset shows it. `stale` is true or false."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("episode", episode_id, Role.VIEWER)
        return listed(await work.views.assets(episode_id, page))

    return json_response(await context.read(look))


@router.post(
    "/episodes/{episode_id}/assets",
    **answers(Asset, *WITH_BODY, *POST, status=201, headers=("ETag",)),
    summary="Add an image (editor); other assets come with their segment or episode",
)
async def add_asset(episode_id: EpisodeId, body: NewAsset, context: SignedIn) -> Response:
    """A reference or a title picture, with runs and versions of its own."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("episode", episode_id, Role.EDITOR)
        asset_id = await add_image_asset(work.store, caller, episode_id, AddImageAsset(body.label, body.segment_id))
        found = await work.views.asset(asset_id)
        return Result(201, found, location(f"/assets/{asset_id}") | etag(found["revision"]))

    return await context.command(effect)
