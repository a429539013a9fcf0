"""Files as they are received: known by their first bytes while they arrive, and looked into once they are stored."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from services.gateway.api.app_state import AppState
from services.gateway.api.files import on_disk
from services.gateway.api.problems import ProblemError
from services.gateway.commands.uploads import RegisterUpload
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


async def begun(request: Request) -> tuple[str, AsyncIterator[bytes]]:
    """The type that the first bytes tell, and the whole body again."""
    body = request.stream()
    head = b""
    try:
        while len(head) < SNIFFED_BYTES and (chunk := await anext(body, None)) is not None:
            head += chunk
    except ClientDisconnect:
        raise ended_early() from None
    if not head:
        raise empty()
    content_type = sniff(head[:SNIFFED_BYTES])
    if content_type is None:
        raise ProblemError(Slug.UNSUPPORTED_MEDIA_TYPE, refusal_reason(head), recovery=accepted_formats())

    async def whole() -> AsyncIterator[bytes]:
        yield head
        async for chunk in body:
            yield chunk

    return content_type, whole()


def empty() -> ProblemError:
    text = problem_text("upload_empty")
    return ProblemError(Slug.INVALID, text.cause, recovery=text.recovery)


def ended_early() -> ProblemError:
    return ProblemError(Slug.MALFORMED, message("problem.body_ended_early"))


def too_large(detail: str, limit: int) -> ProblemError:
    return ProblemError(Slug.TOO_LARGE, detail, limit=limit)


async def stored(
    state: AppState, key: str, content_type: str, chunks: AsyncIterator[bytes], *, limit: int
) -> ObjectRef:
    """Raises ProblemError too-large, malformed: nothing is stored then."""
    try:
        return await state.objects.own.put_stream(key, chunks, content_type, max_size=limit)
    except UserError as e:
        if e.code != "too_large":
            raise
        raise too_large(e.cause, limit) from None
    except ClientDisconnect:
        raise ended_early() from None


def upload_key(upload_id: str, content_type: str) -> str:
    return f"uploads/{upload_id}.{EXTENSIONS[content_type]}"


async def examined(
    state: AppState, upload_id: str, filename: str | None, content_type: str, ref: ObjectRef
) -> RegisterUpload:
    """What a stored file is registered as. Raises UserError, and ProblemError too-large for sound in a container of
    videos, which was received as one."""
    found = await _inspect(state, content_type, ref)
    content_type = found.content_type
    kind = media_kind(content_type)
    if ref.size > MAX_BYTES[kind]:
        limit = MAX_BYTES[kind]
        raise too_large(message("problem.sound_too_large", mebibytes=limit // MIB), limit)
    return RegisterUpload(
        upload_id,
        safe_filename(filename, content_type),
        content_type,
        kind,  # type: ignore[arg-type]
        ref,
        found.width,
        found.height,
        found.duration,
        found.fps,
    )


async def _inspect(state: AppState, content_type: str, ref: ObjectRef) -> MediaFacts:
    async with on_disk(ref, state.objects.own, state.settings.work_dir) as path:
        return await state.inspector.inspect(content_type, path)
