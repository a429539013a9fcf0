"""Bulk actions: one action on many targets of an episode."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.bulk_requests import BulkRequest, action_of
from services.gateway.api.context import SignedIn
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import Prefer, json_only
from services.gateway.api.idempotency import in_steps
from services.gateway.api.path_ids import EpisodeId
from services.gateway.api.schemas.bulk import BulkAction, BulkResult
from services.gateway.commands.bulk import least_role

router = APIRouter(tags=["runs"], dependencies=[Depends(json_only)])


@router.post(
    "/episodes/{episode_id}/bulk",
    **answers(BulkResult, *WITH_BODY, *POST),
    summary="Decide on, regenerate or join many segments (reviewer; editor to regenerate or join)",
)
async def bulk(episode_id: EpisodeId, body: BulkAction, prefer: Prefer, context: SignedIn) -> Response:
    """Each target is answered on its own: a refused one does not stop the others, and each has a transaction of its
    own. Waits up to 5 s for the verdicts. A repeat with the same key continues after an interruption."""
    action = action_of(body)
    async with context.single_read() as work:
        await work.require_role("episode", episode_id, least_role(action))
    async with in_steps(context) as steps:
        if steps.replay is not None:
            return steps.replay.response()
        request = BulkRequest(context, steps, episode_id, body, action)
        result = await request.result(prefer)
        if request.is_final:
            await steps.complete(result)
        return result.response()
