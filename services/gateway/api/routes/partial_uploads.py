"""Uploads in parts: a file goes on where it broke."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.gateway.api.app_state import AppState
from services.gateway.api.context import RequestContext, SignedIn, Snapshot, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import accepts, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import PartialUploadId, ProjectId
from services.gateway.api.problems import ProblemError
from services.gateway.api.received_files import begun, empty, examined, stored, too_large, upload_key
from services.gateway.api.responses import NO_CONTENT, Result, json_response, location
from services.gateway.api.schemas.partial_uploads import NewPartialUpload, PartialUpload
from services.gateway.api.transactions import transactional
from services.gateway.commands.partial_uploads import (
    BeginPartialUpload,
    append_part,
    begin_partial_upload,
    check_offset,
    complete_partial_upload,
    own_partial_upload,
)
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.partial_uploads import MOST_PART_BYTES, PART_BYTES
from services.gateway.domain.partial_uploads import PartialUpload as Partial
from services.gateway.domain.problems import Slug
from services.gateway.domain.uploads import MAX_BYTES, MIB, media_kind
from shared.contracts.messages import message
from shared.contracts.values import ObjectRef
from shared.core.errors import UserError

router = APIRouter(tags=["projects"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"The bytes from `offset` on: at most {MOST_PART_BYTES // MIB} MiB.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_OF_PARTS: Final = "application/octet-stream"


@router.post(
    "/projects/{project_id}/partial-uploads",
    **answers(PartialUpload, *WITH_BODY, *POST, Slug.STORAGE_FULL, status=201),
    dependencies=[Depends(json_only)],
    summary="Begin an upload in parts (editor)",
)
@idempotent()
async def begin(project_id: ProjectId, body: NewPartialUpload, work: UnitOfWork) -> Result:
    """For large files: what was received stays for 24 hours after the last part, and a client goes on from there. The
    whole file counts as stored from the beginning."""
    caller = await work.require_role("project", project_id, Role.EDITOR)
    if body.size > (limit := max(MAX_BYTES.values())):
        raise too_large(message("problem.too_large", mebibytes=limit // MIB), limit)
    partial_id = await begin_partial_upload(work.store, caller, BeginPartialUpload(body.filename, body.size))
    return Result(201, await _shown(work, partial_id), location(f"/partial-uploads/{partial_id}"))


@router.get(
    "/partial-uploads/{partial_id}",
    **answers(PartialUpload),
    dependencies=[Depends(json_only)],
    summary="How much of an upload was received (who began it)",
)
async def progress(partial_id: PartialUploadId, work: Snapshot) -> Response:
    """`received` is where the next part begins; `upload` is there once it is complete."""
    return json_response(await _shown(work, partial_id))


@router.patch(
    "/partial-uploads/{partial_id}",
    **answers(PartialUpload, *WITH_BODY, Slug.INVALID_STATE, Slug.STORAGE_FULL, Slug.INVALID),
    openapi_extra=_BODY,
    summary="Add a part (who began it)",
)
async def add(
    partial_id: PartialUploadId,
    request: Request,
    context: SignedIn,
    offset: Annotated[int, Query(ge=0, description="Where the part begins, in bytes: what was received before.")],
) -> Response:
    """Raw bytes, kept once all of the part has arrived. The last one makes the upload, which is then looked into: a
    file that is refused is dropped. An empty part at the end repeats that step alone. 409: `current` is where to go
    on."""
    accepts(request, "application/json")
    async with context.snapshot() as work:
        caller, partial = await own_partial_upload(work.store, context.user_id, partial_id)
    if partial.upload_id is None:
        check_offset(partial, offset)
        if partial.received < partial.size:
            partial = await _receive(context, partial)
        if partial.received == partial.size:
            await _complete(context, caller, partial)
    async with context.snapshot() as work:
        return json_response(await _shown(work, partial_id))


@router.delete(
    "/partial-uploads/{partial_id}",
    **answers(None, status=204, description="Dropped."),
    dependencies=[Depends(json_only)],
    summary="Drop an upload that is not complete (who began it)",
)
@transactional
async def drop(partial_id: PartialUploadId, work: UnitOfWork) -> Result:
    """What was received is deleted. An upload that it has become stays."""
    await own_partial_upload(work.store, work.user_id, partial_id)
    await work.store.partial_uploads.delete(partial_id)
    return NO_CONTENT


async def _shown(work: UnitOfWork, partial_id: str) -> PartialUpload:
    _, partial = await own_partial_upload(work.store, work.user_id, partial_id)
    return PartialUpload(
        id=partial.partial_id,
        project_id=partial.project_id,
        filename=partial.filename,
        size=partial.size,
        received=partial.received,
        part_size=PART_BYTES,
        upload=await work.queries.upload(partial.upload_id) if partial.upload_id else None,
        expires_at=partial.expires_at,
    )


async def _receive(context: RequestContext, partial: Partial) -> Partial:
    """The upload with the part of this request. Raises ProblemError, Refusal: nothing of the part is kept then."""
    state, content_type = context.state, None
    chunks: AsyncIterator[bytes] = context.request.stream()
    if partial.received == 0:
        content_type, chunks = await begun(context.request)
        if partial.size > (limit := MAX_BYTES[media_kind(content_type)]):
            raise too_large(message("problem.too_large", mebibytes=limit // MIB), limit)
    key = f"parts/{partial.partial_id}/{partial.received}-{state.new_id()}"
    room = min(MOST_PART_BYTES, partial.size - partial.received)
    part = await stored(state, key, _OF_PARTS, chunks, limit=room)
    kept = False
    try:
        if part.size == 0:
            raise empty()

        async def append(work: UnitOfWork) -> Partial:
            return await append_part(
                work.store, context.user_id, partial.partial_id, partial.received, part, content_type
            )

        appended = await context.transaction(append)
        kept = True
        return appended
    finally:
        if not kept:
            await state.objects.own.delete(part.key)


async def _complete(context: RequestContext, caller: Caller, partial: Partial) -> None:
    """Raises ProblemError, UserError: the file is refused, and all of it dropped. Refusal, Retryable: the last step can
    be repeated."""
    state, upload_id = context.state, context.state.new_id()
    assert partial.content_type is not None, "its first part told"
    content_type = partial.content_type
    whole = _joined(state, partial.parts)
    ref = await stored(
        state, upload_key(upload_id, content_type), content_type, whole, limit=MAX_BYTES[media_kind(content_type)]
    )
    done = False
    try:
        try:
            command = await examined(state, upload_id, partial.filename, content_type, ref)
        except (ProblemError, UserError):
            await _forget(context, partial)
            raise

        async def complete(work: UnitOfWork) -> bool:
            return await complete_partial_upload(work.store, caller, partial.partial_id, command)

        done = await context.transaction(complete)
    finally:
        if not done:
            await state.objects.own.delete(ref.key)
    await state.objects.own.delete(*(part.key for part in partial.parts))


async def _forget(context: RequestContext, partial: Partial) -> None:
    async def delete(work: UnitOfWork) -> None:
        await work.store.partial_uploads.delete(partial.partial_id)

    await context.transaction(delete)
    await context.state.objects.own.delete(*(part.key for part in partial.parts))


async def _joined(state: AppState, parts: Sequence[ObjectRef]) -> AsyncIterator[bytes]:
    for part in parts:
        async for chunk in state.objects.own.read(part.key):
            yield chunk
