"""The studio as the gateway serves it: the page, its files, and what a browser is told about them."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Final

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from services.gateway.api.problems import ProblemError, Slug
from services.gateway.api.routes.studio import BUILT, Studio, StudioFallback

ROOT: Final = Path(__file__).resolve().parents[3]
SOURCES: Final = ROOT / "studio"
FIRST_VIEW_MOST: Final = 200_000
"""Bytes, compressed: what a browser loads before it shows an episode."""


async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"unknown"})


def client(studio: Studio) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(StudioFallback(studio, unknown))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
def built() -> Studio:
    return Studio()


PAGE: Final = {"Accept": "text/html,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/", "/p/1/e/2", "/inbox", "/a/b?x=1"])
async def test_every_address_of_the_page_leads_to_it(built: Studio, path: str) -> None:
    async with client(built) as http:
        page = await http.get(path, headers=PAGE)
        again = await http.get(path, headers=PAGE | {"If-None-Match": page.headers["etag"]})
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-cache"
    assert page.text.startswith("<!doctype html>")
    assert (again.status_code, again.content) == (304, b"")


def test_every_style_sheet_names_the_order_of_the_layers_whichever_a_browser_reads_first() -> None:
    sheets = list((BUILT / "assets").glob("*.css"))
    assert sheets
    assert [s.name for s in sheets if not s.read_text().startswith("@layer tokens,base,ui,contrast;")] == []


async def test_the_policy_allows_no_inline_script_or_style_and_the_page_has_none(built: Studio) -> None:
    async with client(built) as http:
        page = await http.get("/", headers=PAGE)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page.text)


async def test_media_of_another_origin_are_allowed_where_links_lead_there() -> None:
    async def origin() -> str:
        return "https://media.example"

    async with client(Studio(media_origin=origin)) as http:
        policy = (await http.get("/", headers=PAGE)).headers["content-security-policy"]
    assert "media-src 'self' blob: https://media.example;" in policy


async def test_files_are_kept_for_ever_and_compressed_once(built: Studio) -> None:
    name = next(p.name for p in (BUILT / "assets").iterdir() if p.name.startswith("vendor") and p.suffix == ".js")
    async with client(built) as http:
        plain = await http.get(f"/assets/{name}", headers={"Accept-Encoding": "identity"})
        async with http.stream("GET", f"/assets/{name}", headers={"Accept-Encoding": "gzip"}) as packed:
            sent = b"".join([chunk async for chunk in packed.aiter_raw()])
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"].startswith("text/javascript")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(sent) == plain.content == (BUILT / "assets" / name).read_bytes()


async def test_an_unknown_file_is_not_the_page(built: Studio) -> None:
    async with client(built) as http:
        for path in ("/assets/index-gone.js", "/assets/%2e%2e/build.json", "/assets/"):
            with pytest.raises(ProblemError) as problem:
                await http.get(path, headers=PAGE)
            assert problem.value.slug is Slug.NOT_FOUND


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/docs/nothing", "/metrics2", "/problems/nothing", "/health/x"])
async def test_what_is_no_page_stays_unknown(built: Studio, path: str) -> None:
    headers = {"Accept": "application/json"} if path == "/metrics2" else PAGE
    async with client(built) as http:
        assert (await http.get(path, headers=headers)).content == b"unknown"
        assert (await http.post("/", headers=PAGE)).content == b"unknown"


async def test_without_a_build_the_page_says_so(tmp_path: Path) -> None:
    async with client(Studio(tmp_path / "nowhere")) as http:
        page = await http.get("/", headers=PAGE)
    assert page.status_code == 503
    assert "make studio" in page.text


def test_the_build_is_that_of_the_sources() -> None:
    stamp = json.loads((BUILT / "build.json").read_text())
    skipped = {"node_modules", "test"}
    sources = [p for p in SOURCES.rglob("*") if p.is_file() and p.relative_to(SOURCES).parts[0] not in skipped]
    outputs = [p for p in BUILT.rglob("*") if p.is_file() and p.name != "build.json"]
    assert stamp["sources"] == _hashes(SOURCES, sources), "the page's sources have changed: run `make studio`"
    assert stamp["outputs"] == _hashes(BUILT, outputs), "the built page was edited: run `make studio`"


def test_the_first_view_is_small() -> None:
    """An episode's page: everything that index.html names, the episode's own files, and what they import."""
    named = re.findall(r'(?:src|href)="/assets/([^"]+)"', (BUILT / "index.html").read_text())
    own = [p.name for p in (BUILT / "assets").iterdir() if p.name.startswith("EpisodeScreen")]
    needed: set[str] = set()
    waiting = [*named, *own]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        if name.endswith(".js"):
            text = (BUILT / "assets" / name).read_text()
            waiting += re.findall(r'(?:from|^import|;import)\s*"\./([^"]+)"', text)
            # Styles of the chunks: Vite names each beside the script that needs it.
            stems = {part.rsplit("-", 1)[0] for part in needed}
            waiting += [p.name for p in (BUILT / "assets").glob("*.css") if p.name.rsplit("-", 1)[0] in stems]
    assert any(name.startswith("vendor") for name in needed)
    assert sum(len(gzip.compress((BUILT / "assets" / name).read_bytes())) for name in needed) <= FIRST_VIEW_MOST


def _hashes(folder: Path, paths: list[Path]) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
