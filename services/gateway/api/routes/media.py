"""Media: bytes of versions, films and uploads, by a member's credentials or by the signature in their URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BeforeValidator
from starlette.responses import RedirectResponse, Response, StreamingResponse

from services.gateway.api.app_state import AppState, app_state
from services.gateway.api.context import require_id
from services.gateway.api.documents import errors
from services.gateway.api.files import read_file
from services.gateway.api.middleware.auth import IDENTITY
from services.gateway.api.middleware.errors import origin_of
from services.gateway.api.poster_sizes import Width
from services.gateway.api.problems import ProblemError, invalid
from services.gateway.api.ranges import Unsatisfiable, disposition, matches, parse_range, range_holds
from services.gateway.domain.identity import Identity
from services.gateway.domain.media import MediaFile
from services.gateway.domain.problems import Slug
from shared.contracts.messages import message
from shared.core.errors import Permanent

router = APIRouter(prefix="/media", tags=["media"])

Collection = Literal["versions", "films", "uploads"]
Rendition = Literal["content", "proxy", "poster", "filmstrip", "peaks", "captions.vtt", "captions.srt", "timeline.otio"]
SIGNED_WITHIN_S: Final = 20.0  # a film that cannot be signed is handed out as it is after this
LOOK_EVERY_S: Final = 0.25
PRESIGNED_S: Final = 2 * 3600  # as long as our own links live at most
_DOC: Final = errors(Slug.LINK_EXPIRED, Slug.GONE, Slug.RANGE_NOT_SATISFIABLE, Slug.INVALID) | {
    200: {
        "description": "The whole file.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {"description": "The asked range."},
    304: {"description": "The client has it."},
    307: {"description": "To the object store."},
}


def _number(text: object) -> object:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else text


@router.head("/{collection}/{object_id}/{rendition}", include_in_schema=False)
@router.get(
    "/{collection}/{object_id}/{rendition}",
    responses=_DOC,
    response_class=Response,
    summary="Get a media file, with Range",
    openapi_extra={"security": [{"signature": []}, {"bearer": []}, {"session": []}]},
)
async def media(
    request: Request,
    collection: Annotated[Collection, Path(description="What owns it.")],
    object_id: Annotated[str, Path(description="Of a version, a compilation or an upload.")],
    rendition: Annotated[Rendition, Path(description="Which file of it.")],
    v: Annotated[str | None, Query(description="Which state of it, as in its URL; without it, the newest.")] = None,
    exp: Annotated[int | None, Query(description="When the signature expires, Unix time.")] = None,
    sig: Annotated[str | None, Query(description="Signature.")] = None,
    download: Annotated[str | None, Query(description="Offer it as a file.")] = None,
    w: Annotated[
        Width | None,
        BeforeValidator(_number),
        Query(description="Of a poster: at most so many pixels wide, as WebP if `Accept` names image/webp."),
    ] = None,
) -> Response:
    """Each `v` names one file for ever: a film has one before it is signed and another one afterwards. `preview` only
    tells caches apart. `peaks` of a version with sound: a byte for each hundredth of a second, 0 to 255 (full scale). A
    download waits for the signed file. HEAD works, too."""
    require_id(object_id)
    if w is not None and rendition != "poster":
        raise invalid(("query:w", "only posters have sizes"))
    state = app_state(request.app)
    user_id = _caller(request, state, f"{collection}/{object_id}/{rendition}", exp, sig)
    wants_file = download is not None and download.lower() not in ("0", "false", "no")

    async def look() -> MediaFile:
        async with state.connection() as connection:
            links = state.links(user_id, origin_of(request.scope))
            tag = None if wants_file else v
            return await state.queries(connection, links).media(collection, object_id, rendition, tag)

    found, waited = await look(), 0.0
    while wants_file and found.unsigned and waited < SIGNED_WITHIN_S:
        await asyncio.sleep(LOOK_EVERY_S)  # between two looks no connection is held
        found, waited = await look(), waited + LOOK_EVERY_S
    if found.gone:
        raise ProblemError(Slug.GONE)
    if rendition == "peaks":
        return await _peaks(request, state, found)
    response = await _sized(request, state, found, w) if w and rendition == "poster" else None
    response = response or await _serve(request, state, found, wants_file)
    takes_film = rendition == "timeline.otio" or (rendition == "content" and wants_file)
    if collection == "films" and takes_film and request.method == "GET":
        async with state.transaction() as connection:
            store = state.stores(connection)
            await store.films.hand_over(object_id, store.now())
    return response


def _caller(request: Request, state: AppState, name: str, exp: int | None, sig: str | None) -> str:
    """The signature's caller, else whoever is signed in."""
    if sig is not None and exp is not None:
        user_id = state.signer.caller_of(name, sig, exp)
        if user_id is not None:
            if state.signer.is_over(exp):
                raise ProblemError(Slug.LINK_EXPIRED)
            return user_id
    identity: Identity | None = request.scope.get(IDENTITY)
    if identity is None:
        raise ProblemError(
            Slug.UNAUTHENTICATED,
            message("problem.link_signature_invalid" if sig else "problem.link_unsigned"),
            headers={"WWW-Authenticate": "Bearer"},
        )
    return identity.user_id


async def _sized(request: Request, state: AppState, found: MediaFile, width: Width) -> Response | None:
    """The poster in another size; None: only as it is."""
    webp = "image/webp" in request.headers.get("accept", "")
    poster = await state.posters.sized(found.object, state.objects.of(found.object.bucket), width, webp=webp)
    if poster is None:
        return None
    headers = _headers(found, poster.etag, attachment=False) | {"Vary": "Accept"}
    if matches(request.headers.get("if-none-match"), poster.etag):
        return Response(status_code=304, headers=headers)
    try:
        return Response(await asyncio.to_thread(poster.path.read_bytes), 200, headers, poster.content_type)
    except OSError:  # it was dropped for others in between
        return None


async def _peaks(request: Request, state: AppState, found: MediaFile) -> Response:
    """Raises ProblemError gone, Retryable."""
    etag = f'"{found.object.sha256[:32]}-peaks"'
    headers = _headers(found, etag, attachment=False)
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    try:
        path = await state.peaks.of(found.object, state.objects.of(found.object.bucket))
        content = await asyncio.to_thread(path.read_bytes)
    except (OSError, Permanent):
        raise ProblemError(Slug.GONE) from None
    return Response(content, 200, headers, "application/octet-stream")


def _headers(found: MediaFile, etag: str, *, attachment: bool) -> dict[str, str]:
    return {
        "ETag": etag,
        "Content-Disposition": disposition(found.filename, attachment=attachment),
        "Cache-Control": "private, max-age=3600, immutable" if found.fixed else "private, no-cache",  # grants: an hour
        "Content-Security-Policy": "default-src 'none'; media-src 'self'; img-src 'self'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


async def _serve(request: Request, state: AppState, found: MediaFile, download: bool) -> Response:
    etag, size = f'"{found.object.sha256[:32]}"', found.object.size
    headers = _headers(found, etag, attachment=download) | {"Accept-Ranges": "bytes"}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    store = state.objects.of(found.object.bucket)
    path = store.local_path(found.object.key)
    if path is None:
        url = await store.presign(
            found.object.key,
            ttl_s=PRESIGNED_S,
            content_type=found.object.content_type,
            filename=found.filename if download else None,
        )
        if url is not None:
            return RedirectResponse(url, 307, {"Cache-Control": "no-store"})
    wanted = None
    if range_holds(request.headers.get("if-range"), etag):
        try:
            wanted = parse_range(request.headers.get("range"), size)
        except Unsatisfiable:
            raise ProblemError(Slug.RANGE_NOT_SATISFIABLE, headers={"Content-Range": f"bytes */{size}"}) from None
    first, last = wanted or (0, size - 1)
    headers["Content-Length"] = str(last - first + 1)
    if wanted:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    status = 206 if wanted else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=found.object.content_type)
    chunks = read_file(path, first, last - first + 1) if path else store.read(found.object.key, first, last - first + 1)
    return StreamingResponse(await _begun(chunks), status, headers, media_type=found.object.content_type)


async def _begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """With its first chunk read, so that an object that is missing is still a problem and not a broken answer."""
    try:
        head = await anext(chunks, b"")
    except (FileNotFoundError, Permanent):
        raise ProblemError(Slug.GONE) from None

    async def all_of_them() -> AsyncIterator[bytes]:
        yield head
        async for chunk in chunks:
            yield chunk

    return all_of_them()
