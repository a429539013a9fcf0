"""Batches, and the two ways of old to start one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.app_state import Json
from services.gateway.api.compile_requests import compile_of
from services.gateway.api.context import RequestContext, Result, SignedIn, UnitOfWork, json_response
from services.gateway.api.documents import POST, WITH_BODY, WORK, answers, listing
from services.gateway.api.headers import Paging, Prefer, json_only, listed, location
from services.gateway.api.path_ids import BatchId, EpisodeId
from services.gateway.api.prefer_wait import get_waiting, then_wait
from services.gateway.api.problems import Slug
from services.gateway.api.schemas.episodes import (
    Batch,
    GenerateSegments,
    NewBatch,
    Render,
    Resumption,
    Started,
)
from services.gateway.commands.batches import StartBatch, cancel_batch, pause_batch, resume_batch, start_batch
from services.gateway.domain.accounts import Role
from services.gateway.domain.omitted import OMITTED

router = APIRouter(tags=["batches"], dependencies=[Depends(json_only)])
_AT_REST = {200: "At rest, with `Prefer: wait`."}
_LONG: dict[str, Any] = {"status": 202, "also": _AT_REST}


@router.get(
    "/episodes/{episode_id}/batches",
    **answers(listing(Batch), filters="status batch_id"),
    summary="An episode's batches",
)
async def batches(episode_id: EpisodeId, page: Paging, context: SignedIn) -> Response:
    """Newest first, with each item's state and why it was left."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("episode", episode_id, Role.VIEWER)
        return listed(await work.views.batches(episode_id, page))

    return json_response(await context.read(look))


@router.post(
    "/episodes/{episode_id}/batches",
    **answers(Batch, *WITH_BODY, *POST, *WORK, **_LONG),
    summary="Generate many segments (editor)",
)
async def start(episode_id: EpisodeId, body: NewBatch, prefer: Prefer, context: SignedIn) -> Response:
    """One segment after the other, or `batch_size` at once; makes what each lacks, in the order starting image,
    video, narration. What is committed is skipped, what runs is adopted."""
    sent = body.model_fields_set
    command = StartBatch(
        episode_id,
        body.mode,
        body.batch_size if "batch_size" in sent else None,
        body.start_from,
        body.auto_approve if "auto_approve" in sent else None,
        body.review,
        body.segment_ids,
        body.deadline_minutes if "deadline_minutes" in sent else OMITTED,
    )
    return await _start(context, command, prefer)


@router.post(
    "/episodes/{episode_id}/render",
    **answers(Batch, *WITH_BODY, *POST, *WORK, Slug.NOT_COMPILABLE, **_LONG),
    summary="Generate all, approve all, compile (editor)",
)
async def render(episode_id: EpisodeId, body: Render, prefer: Prefer, context: SignedIn) -> Response:
    """The old monolithic flow. A segment that fails stops it by name; the batch's compilation_job_id is the film."""
    size = body.batch_size if "batch_size" in body.model_fields_set else None
    film = compile_of(episode_id, body)
    command = StartBatch(episode_id, "parallel", size, auto_approve=True, segment_ids=body.segment_ids, compile=film)
    return await _start(context, command, prefer)


async def _start(context: RequestContext, command: StartBatch, prefer: Prefer) -> Response:
    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("episode", command.episode_id, Role.EDITOR)
        batch_id = await start_batch(work.store, caller, command)
        return Result(202, await work.views.batch(batch_id), location(f"/batches/{batch_id}"))

    return await context.command(effect, then=then_wait(context, "batch", prefer))


@router.post(
    "/episodes/{episode_id}/generate-segments",
    **answers(Started, *WITH_BODY, *POST, *WORK, status=202),
    tags=["seed 004"],
    summary="Generate segment by segment (editor)",
)
async def generate_segments(episode_id: EpisodeId, body: GenerateSegments, context: SignedIn) -> Response:
    """The same as a batch; `job_id` is its id."""
    sent = body.model_fields_set
    size = body.batch_size if body.mode == "parallel" and "batch_size" in sent else None
    command = StartBatch(
        episode_id, body.mode, size, body.start_from, body.auto_approve if "auto_approve" in sent else None
    )

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("episode", episode_id, Role.EDITOR)
        batch_id = await start_batch(work.store, caller, command)
        total = (await work.views.batch(batch_id))["total"]
        return Result(
            202, {"job_id": batch_id, "total_segments": total, "status": "started"}, location(f"/batches/{batch_id}")
        )

    return await context.command(effect)


@router.get("/batches/{batch_id}", **answers(Batch, headers=("Preference-Applied",)), summary="A batch")
async def batch(batch_id: BatchId, prefer: Prefer, context: SignedIn) -> Response:
    """With `Prefer: wait=N` it is held until the batch waits for a review, is paused or has ended."""
    return await get_waiting(context, "batch", batch_id, prefer)


@router.post(
    "/batches/{batch_id}/pause",
    **answers(Batch, *POST, Slug.INVALID_STATE, **_LONG),
    summary="Start nothing more for now (editor)",
)
async def pause(batch_id: BatchId, prefer: Prefer, context: SignedIn) -> Response:
    """What generates goes on; nothing more is started until it is resumed."""

    async def effect(work: UnitOfWork) -> Result:
        await pause_batch(work.store, await work.require_role("batch", batch_id, Role.EDITOR), batch_id)
        return await _answer(work, batch_id)

    return await context.command(effect, then=then_wait(context, "batch", prefer))


@router.post(
    "/batches/{batch_id}/cancel",
    **answers(Batch, *POST, Slug.INVALID_STATE, **_LONG),
    summary="End it; its queued and generating runs are cancelled (editor)",
)
async def cancel(batch_id: BatchId, prefer: Prefer, context: SignedIn) -> Response:
    """Previews that wait stay open: they are decided as any other."""

    async def effect(work: UnitOfWork) -> Result:
        await cancel_batch(work.store, await work.require_role("batch", batch_id, Role.EDITOR), batch_id)
        return await _answer(work, batch_id)

    return await context.command(effect, then=then_wait(context, "batch", prefer))


@router.post(
    "/batches/{batch_id}/resume",
    **answers(Batch, *WITH_BODY, *POST, Slug.INVALID_STATE, **_LONG),
    summary="Go on (editor)",
)
async def resume(batch_id: BatchId, prefer: Prefer, context: SignedIn, body: Resumption | None = None) -> Response:
    """`start_from` and `skip` leave segments out, such as one that was rejected and holds the batch."""
    wanted = body or Resumption()

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("batch", batch_id, Role.EDITOR)
        await resume_batch(work.store, caller, batch_id, wanted.start_from, wanted.skip)
        return await _answer(work, batch_id)

    return await context.command(effect, then=then_wait(context, "batch", prefer))


async def _answer(work: UnitOfWork, batch_id: str) -> Result:
    return Result(202, await work.views.batch(batch_id), location(f"/batches/{batch_id}"))
