"""Assets: the slots of an episode, and their drafts."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.context import Snapshot, UnitOfWork
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, answers
from services.gateway.api.headers import IfMatch, Paging, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import AssetId, EpisodeId
from services.gateway.api.responses import NO_CONTENT, Result, changed, created, json_response, with_etag
from services.gateway.api.schemas.assets import Asset, AssetList, NewAsset, NewDraft
from services.gateway.api.transactions import transactional
from services.gateway.commands.assets import AddImageAsset, add_image_asset, drop_draft, save_draft
from services.gateway.domain.accounts import Role

router = APIRouter(dependencies=[Depends(json_only)])


@router.get(
    "/episodes/{episode_id}/assets",
    **answers(AssetList, filters="kind stale segment_id asset_id"),
    tags=["episodes"],
    summary="List the assets of an episode",
)
async def assets(episode_id: EpisodeId, page: Paging, work: Snapshot) -> Response:
    """Each as GET asset shows it. `stale` is true or false."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    return json_response(await work.queries.assets(episode_id, page))


@router.post(
    "/episodes/{episode_id}/assets",
    **answers(Asset, *WITH_BODY, *POST, status=201, headers=("ETag",)),
    tags=["episodes"],
    summary="Add an image (editor); other assets come with their segment or episode",
)
@idempotent()
async def add(episode_id: EpisodeId, body: NewAsset, work: UnitOfWork) -> Result:
    """A reference or a title picture, with runs and versions of its own."""
    caller = await work.require_role("episode", episode_id, Role.EDITOR)
    asset_id = await add_image_asset(work.store, caller, episode_id, AddImageAsset(body.label, body.segment_id))
    return created(await work.queries.asset(asset_id), f"/assets/{asset_id}")


@router.get("/assets/{asset_id}", **answers(Asset, headers=("ETag",)), tags=["runs"], summary="Get an asset")
async def asset(asset_id: AssetId, work: Snapshot) -> Response:
    """Its draft, what a run would use by default, the committed version, and the run that is active or waits."""
    await work.require_role("asset", asset_id, Role.VIEWER)
    return with_etag(await work.queries.asset(asset_id))


@router.put(
    "/assets/{asset_id}/draft",
    **answers(Asset, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    tags=["runs"],
    summary="Save the draft (editor)",
)
@transactional
async def put_draft(asset_id: AssetId, body: NewDraft, revision: IfMatch, work: UnitOfWork) -> Result:
    """What the next run uses for everything that its request leaves out. Accepting a version replaces the directions,
    and the model if one was chosen for its run; the settings stay as they were saved. A rejection changes nothing."""
    caller = await work.require_role("asset", asset_id, Role.EDITOR)
    await save_draft(work.store, caller, asset_id, revision, body.directions, body.settings)
    return changed(await work.queries.asset(asset_id))


@router.delete(
    "/assets/{asset_id}/draft",
    **answers(None, status=204, description="Dropped."),
    tags=["runs"],
    summary="Drop the draft (editor)",
)
@transactional
async def delete_draft(asset_id: AssetId, work: UnitOfWork) -> Result:
    """The next run then builds on the committed version again. Nothing happens if there is none."""
    await drop_draft(work.store, await work.require_role("asset", asset_id, Role.EDITOR), asset_id, None)
    return NO_CONTENT
