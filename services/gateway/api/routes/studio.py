"""The studio: the web page, served from the files that `make studio` built into the package.

Its files are read and compressed once, at start. A file's name holds a hash of its content, so that it is cached for
ever; `index.html` names the files and is asked for at each visit. An unknown asset is 404, never the page.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.api.problems import ProblemError
from services.gateway.domain.problems import Slug

BUILT: Final = Path(__file__).parents[1] / "studio"
ASSETS: Final = "/assets/"
_NOT_THE_PAGE: Final = ("/api/", "/docs", "/health/", "/metrics", "/problems/", "/openapi.json")
_COMPRESSED: Final = frozenset({".js", ".css", ".svg", ".html", ".txt", ".json"})
_MISSING: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Retake</title>
<h1>The studio is not built</h1>
<p>This gateway was installed without its web page. Run <code>make studio</code> in a checkout, or install a
release.</p>
<p>The API works without it: <a href="/docs">API reference</a>.</p></html>"""


@dataclass(frozen=True)
class File:
    body: bytes
    compressed: bytes | None
    content_type: str
    etag: str


async def _the_gateway_alone() -> str | None:
    return None


class Studio:
    """The files of one build. `media_origin`: where presigned media links lead, if not to the gateway itself."""

    def __init__(
        self, folder: Path = BUILT, *, media_origin: Callable[[], Awaitable[str | None]] = _the_gateway_alone
    ) -> None:
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in _files_below(folder)}
        self._media_origin = media_origin

    async def _page_headers(self) -> dict[str, str]:
        origin = await self._media_origin()
        elsewhere = f" {origin}" if origin else ""
        return {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; "
                f"img-src 'self' blob:{elsewhere}; media-src 'self' blob:{elsewhere}; connect-src 'self'{elsewhere}; "
                "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
            ),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=()",
            "Referrer-Policy": "no-referrer",
        }

    async def page(self, request: Request) -> Response:
        """The page; every address of its own leads here. Without a build: a page that says so, as 503."""
        headers = await self._page_headers()
        file = self._files.get("index.html")
        return HTMLResponse(_MISSING, 503, headers) if file is None else _response(request, file, headers)

    def asset(self, request: Request) -> Response:
        """Raises ProblemError not-found."""
        file = self._files.get(request.url.path.removeprefix("/"))
        if file is None:
            raise ProblemError(Slug.NOT_FOUND)
        return _response(request, file, {"Cache-Control": "public, max-age=31536000, immutable"})


class StudioFallback:
    """Takes the requests that no route knows: the page's own addresses, and its files."""

    def __init__(self, studio: Studio, unknown: ASGIApp) -> None:
        self._studio = studio
        self._unknown = unknown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        respond = await self._response(Request(scope)) if scope["type"] == "http" else None
        await (respond or self._unknown)(scope, receive, send)

    async def _response(self, request: Request) -> Response | None:
        if request.method not in ("GET", "HEAD"):
            return None
        path = request.url.path
        if path.startswith(ASSETS):
            return self._studio.asset(request)
        if path.startswith(_NOT_THE_PAGE) or "text/html" not in request.headers.get("accept", ""):
            return None
        return await self._studio.page(request)


def _files_below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []


def _read(path: Path) -> File:
    body = path.read_bytes()
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    compressed = _compressed(body) if path.suffix in _COMPRESSED and len(body) > 1000 else None
    return File(body, compressed, content_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@cache
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _response(request: Request, file: File, headers: dict[str, str]) -> Response:
    headers = {**headers, "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in (e.strip() for e in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    if file.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=file.content_type)
    return Response(file.body, headers=headers, media_type=file.content_type)
