"""Batches: many segments generated under one policy."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.compile_requests import compile_command
from services.gateway.api.context import SignedIn, Snapshot, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, WORK, answers
from services.gateway.api.headers import Paging, Prefer, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import BatchId, EpisodeId
from services.gateway.api.prefer_wait import get_at_rest, until_rest
from services.gateway.api.problems import invalid
from services.gateway.api.responses import Result, accepted, json_response, location
from services.gateway.api.schemas.batches import Batch, BatchList, GenerateSegments, NewBatch, Resumption, Started
from services.gateway.api.schemas.estimates import Estimate
from services.gateway.api.schemas.films import Render
from services.gateway.api.transactions import DryRun
from services.gateway.commands.batches import StartBatch, cancel_batch, pause_batch, resume_batch, start_batch
from services.gateway.commands.estimates import estimate_batch
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.omitted import OMITTED
from services.gateway.domain.problems import Slug

router = APIRouter(tags=["batches"], dependencies=[Depends(json_only)])
_LONG: Final[dict[str, Any]] = {"status": 202, "also": {200: "The work at rest, with `Prefer: wait`."}}


@router.get(
    "/episodes/{episode_id}/batches",
    **answers(BatchList, filters="status batch_id"),
    summary="An episode's batches",
)
async def batches(episode_id: EpisodeId, page: Paging, work: Snapshot) -> Response:
    """Newest first, with each item's state and why it was left."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    return json_response(await work.queries.batches(episode_id, page))


@router.post(
    "/episodes/{episode_id}/batches",
    **answers(Batch, *WITH_BODY, *POST, *WORK, dry_run=Estimate, **_LONG),
    summary="Generate many segments (editor)",
)
@idempotent(until_rest("batch"))
async def start(episode_id: EpisodeId, body: NewBatch, work: UnitOfWork) -> Result:
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
    return await _start(work, command, body.dry_run)


@router.post(
    "/episodes/{episode_id}/render",
    **answers(Batch, *WITH_BODY, *POST, *WORK, Slug.NOT_COMPILABLE, dry_run=Estimate, **_LONG),
    summary="Generate all, approve all, compile (editor)",
)
@idempotent(until_rest("batch"))
async def render(episode_id: EpisodeId, body: Render, work: UnitOfWork) -> Result:
    """The old monolithic flow. A segment that fails stops it by name; the batch's compilation_job_id is the film."""
    size = body.batch_size if "batch_size" in body.model_fields_set else None
    film = compile_command(episode_id, body)
    command = StartBatch(episode_id, "parallel", size, auto_approve=True, segment_ids=body.segment_ids, compile=film)
    return await _start(work, command, body.dry_run)


async def _start(work: UnitOfWork, command: StartBatch, dry_run: bool) -> Result:
    caller = await work.require_role("episode", command.episode_id, Role.EDITOR)
    if dry_run:
        await _estimate(work, caller, command)
    return await _accepted(work, await start_batch(work.store, caller, command))


async def _estimate(work: UnitOfWork, caller: Caller, command: StartBatch) -> NoReturn:
    estimate = await estimate_batch(work.store, caller, command)
    raise DryRun(Result(200, await work.queries.estimate(caller.project_id, estimate)))


@router.post(
    "/episodes/{episode_id}/generate-segments",
    **answers(Started, *WITH_BODY, *POST, *WORK, status=202, dry_run=Estimate),
    tags=["workflow"],
    summary="Generate segment by segment (editor)",
)
@idempotent()
async def generate_segments(episode_id: EpisodeId, body: GenerateSegments, work: UnitOfWork) -> Result:
    """The same as a batch; `job_id` is its id."""
    sent = body.model_fields_set
    size = body.batch_size if body.mode == "parallel" and "batch_size" in sent else None
    command = StartBatch(
        episode_id, body.mode, size, body.start_from, body.auto_approve if "auto_approve" in sent else None
    )
    caller = await work.require_role("episode", episode_id, Role.EDITOR)
    if body.dry_run:
        await _estimate(work, caller, command)
    batch_id = await start_batch(work.store, caller, command)
    batch = await work.queries.batch(batch_id)
    started = Started(job_id=batch_id, total_segments=batch.total, status="started")
    return Result(202, started, location(f"/batches/{batch_id}"))


@router.get("/batches/{batch_id}", **answers(Batch, headers=("Preference-Applied",)), summary="Get a batch")
async def batch(batch_id: BatchId, prefer: Prefer, context: SignedIn) -> Response:
    """With `Prefer: wait=N` it is held until the batch waits for a review, is paused or has ended."""
    return await get_at_rest(context, "batch", batch_id, prefer)


@router.post(
    "/batches/{batch_id}/pause",
    **answers(Batch, *POST, Slug.INVALID_STATE, **_LONG),
    summary="Pause a batch (editor)",
)
@idempotent(until_rest("batch"))
async def pause(batch_id: BatchId, work: UnitOfWork) -> Result:
    """What generates goes on; nothing more is started until it is resumed."""
    await pause_batch(work.store, await work.require_role("batch", batch_id, Role.EDITOR), batch_id)
    return await _accepted(work, batch_id)


@router.post(
    "/batches/{batch_id}/cancel",
    **answers(Batch, *POST, Slug.INVALID_STATE, **_LONG),
    summary="Cancel a batch and its active runs (editor)",
)
@idempotent(until_rest("batch"))
async def cancel(batch_id: BatchId, work: UnitOfWork) -> Result:
    """Previews that wait stay open: they are decided as any other."""
    await cancel_batch(work.store, await work.require_role("batch", batch_id, Role.EDITOR), batch_id)
    return await _accepted(work, batch_id)


@router.post(
    "/batches/{batch_id}/resume",
    **answers(Batch, *WITH_BODY, *POST, Slug.INVALID_STATE, **_LONG),
    summary="Resume a batch (editor)",
)
@idempotent(until_rest("batch"))
async def resume(batch_id: BatchId, work: UnitOfWork, body: Resumption | None = None) -> Result:
    """`start_from`, `skip` and `skip_held` leave segments out, such as one that was rejected and holds the batch up."""
    wanted = body or Resumption()
    if wanted.skip and wanted.skip_held:
        raise invalid(("/skip", "cannot be combined with skip_held"))
    skip = True if wanted.skip_held else wanted.skip
    caller = await work.require_role("batch", batch_id, Role.EDITOR)
    await resume_batch(work.store, caller, batch_id, wanted.start_from, skip)
    return await _accepted(work, batch_id)


async def _accepted(work: UnitOfWork, batch_id: str) -> Result:
    return accepted(await work.queries.batch(batch_id), f"/batches/{batch_id}")
