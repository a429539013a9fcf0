"""Uploads: raw bytes in, streamed to the object store, known by what they are and not by what they are called."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from services.gateway.api.app_state import AppState
from services.gateway.api.context import SignedIn, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import accepts
from services.gateway.api.idempotency import REPLAYED, run_once
from services.gateway.api.path_ids import ProjectId
from services.gateway.api.problems import ProblemError
from services.gateway.api.responses import Result
from services.gateway.api.schemas.uploads import Upload
from services.gateway.commands.accounts import check_storage
from services.gateway.commands.uploads import RegisterUpload, register_upload
from services.gateway.domain.accounts import Role
from services.gateway.domain.problems import Slug
from services.gateway.domain.uploads import (
    EXTENSIONS,
    MAX_BYTES,
    MIB,
    SNIFFED_BYTES,
    MediaFacts,
    accepted_formats,
    media_kind,
    refusal_reason,
    safe_filename,
    sniff,
)
from shared.contracts.messages import message, problem_text
from shared.contracts.values import ObjectRef
from shared.core.errors import UserError
from shared.media.file_type import PICTURES, SOUNDS, VIDEOS

router = APIRouter(prefix="/projects/{project_id}/uploads", tags=["projects"])

_FILENAME: Final = re.compile(
    r"""filename\*\s*=\s*UTF-8''([^;]+)|filename\s*=\s*"([^"]*)"|filename\s*=\s*([^;\s]+)""", re.IGNORECASE
)
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": f"The file itself: an image ({PICTURES}) of at most 80 MiB and 210 megapixels, audio ({SOUNDS}) "
        f"of at most 200 MiB, a film ({VIDEOS}) of at most 2 GiB and 60 minutes.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post(
    "",
    **answers(Upload, *WITH_BODY, *POST, Slug.STORAGE_FULL, status=201, headers=()),
    openapi_extra=_BODY,
    summary="Upload an image, audio or a film (editor)",
)
async def upload(
    project_id: ProjectId,
    request: Request,
    context: SignedIn,
    filename: Annotated[
        str | None, Query(max_length=300, description="What to call it; else Content-Disposition's.")
    ] = None,
) -> Response:
    """Raw bytes. The type is told by the first bytes; SVG is refused."""
    accepts(request, "application/json")

    async with context.snapshot() as work:  # before a gigabyte is received
        await work.require_role("project", project_id, Role.EDITOR)
        await check_storage(work.store, project_id)
    state = context.state
    upload_id = state.new_id()
    content_type, chunks = await _begin(request)
    ref = await _store(state, upload_id, content_type, chunks)
    stored = False
    try:
        found = await _inspect(state, content_type, ref)
        content_type = found.content_type
        kind = media_kind(content_type)
        if ref.size > MAX_BYTES[kind]:  # sound in a container of videos, which was received as one
            limit = MAX_BYTES[kind]
            detail = message("problem.sound_too_large", mebibytes=limit // MIB)
            raise ProblemError(Slug.TOO_LARGE, detail, limit=limit)
        name = safe_filename(filename or _named(request.headers.get("content-disposition")), content_type)
        command = RegisterUpload(
            upload_id,
            name,
            content_type,
            kind,  # type: ignore[arg-type]
            ref,
            found.width,
            found.height,
            found.duration,
            found.fps,
        )
        effect = partial(_register, project_id=project_id, command=command)
        response = await run_once(context, effect, body=ref.sha256.encode())
        stored = REPLAYED.lower() not in response.headers
        return response
    finally:
        if not stored:
            await state.objects.own.delete(ref.key)


async def _register(work: UnitOfWork, project_id: str, command: RegisterUpload) -> Result:
    await register_upload(work.store, await work.require_role("project", project_id, Role.EDITOR), command)
    return Result(201, await work.queries.upload(command.upload_id))


async def _begin(request: Request) -> tuple[str, AsyncIterator[bytes]]:
    """The type that the first bytes tell, and the whole body again."""
    body = request.stream()
    head = b""
    try:
        while len(head) < SNIFFED_BYTES and (chunk := await anext(body, None)) is not None:
            head += chunk
    except ClientDisconnect:
        raise ProblemError(Slug.MALFORMED, message("problem.body_ended_early")) from None
    if not head:
        text = problem_text("upload_empty")
        raise ProblemError(Slug.INVALID, text.cause, recovery=text.recovery)
    content_type = sniff(head[:SNIFFED_BYTES])
    if content_type is None:
        raise ProblemError(Slug.UNSUPPORTED_MEDIA_TYPE, refusal_reason(head), recovery=accepted_formats())

    async def whole() -> AsyncIterator[bytes]:
        yield head
        async for chunk in body:
            yield chunk

    return content_type, whole()


async def _store(state: AppState, upload_id: str, content_type: str, chunks: AsyncIterator[bytes]) -> ObjectRef:
    limit = MAX_BYTES[media_kind(content_type)]
    key = f"uploads/{upload_id}.{EXTENSIONS[content_type]}"
    try:
        return await state.objects.own.put_stream(key, chunks, content_type, max_size=limit)
    except UserError as e:
        if e.code != "too_large":
            raise
        raise ProblemError(Slug.TOO_LARGE, e.cause, limit=limit) from None
    except ClientDisconnect:
        raise ProblemError(Slug.MALFORMED, message("problem.body_ended_early")) from None


async def _inspect(state: AppState, content_type: str, ref: ObjectRef) -> MediaFacts:
    """Reads the file where it lies, or a copy of it."""
    store = state.objects.own
    if path := store.local_path(ref.key):
        return await state.inspector.inspect(content_type, path)
    with tempfile.TemporaryDirectory(dir=state.settings.work_dir) as folder:
        copy = Path(folder) / Path(ref.key).name
        await store.fetch(ref, copy)
        return await state.inspector.inspect(content_type, copy)


def _named(content_disposition: str | None) -> str | None:
    found = _FILENAME.search(content_disposition or "")
    if found is None:
        return None
    encoded, quoted, bare = found.groups()
    return unquote(encoded) if encoded else quoted or bare
