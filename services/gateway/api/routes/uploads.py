"""Uploads: raw bytes in, streamed to the object store, known by what they are and not by what they are called."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Final
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.gateway.api.context import SignedIn, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import accepts
from services.gateway.api.idempotency import REPLAYED, run_once
from services.gateway.api.path_ids import ProjectId
from services.gateway.api.received_files import begun, examined, stored, upload_key
from services.gateway.api.responses import Result
from services.gateway.api.schemas.uploads import Upload
from services.gateway.commands.accounts import check_storage
from services.gateway.commands.uploads import RegisterUpload, register_upload
from services.gateway.domain.accounts import Role
from services.gateway.domain.problems import Slug
from services.gateway.domain.uploads import (
    MAX_BYTES,
    media_kind,
)
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
    content_type, chunks = await begun(request)
    key, limit = upload_key(upload_id, content_type), MAX_BYTES[media_kind(content_type)]
    ref = await stored(state, key, content_type, chunks, limit=limit)
    kept = False
    try:
        name = filename or _named(request.headers.get("content-disposition"))
        command = await examined(state, upload_id, name, content_type, ref)
        effect = partial(_register, project_id=project_id, command=command)
        response = await run_once(context, effect, body=ref.sha256.encode())
        kept = REPLAYED.lower() not in response.headers
        return response
    finally:
        if not kept:
            await state.objects.own.delete(ref.key)


async def _register(work: UnitOfWork, project_id: str, command: RegisterUpload) -> Result:
    await register_upload(work.store, await work.require_role("project", project_id, Role.EDITOR), command)
    return Result(201, await work.queries.upload(command.upload_id))


def _named(content_disposition: str | None) -> str | None:
    found = _FILENAME.search(content_disposition or "")
    if found is None:
        return None
    encoded, quoted, bare = found.groups()
    return unquote(encoded) if encoded else quoted or bare
