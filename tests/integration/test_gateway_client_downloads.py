"""The client's downloads from a gateway whose media are in an S3 store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import aioboto3
import httpx
import pytest
import pytest_asyncio

from client.api import AsyncRetake
from shared.core.ids import new_id
from tests.conftest import FreshDatabase
from tests.support.gateway_http import Gateway, gateway
from tests.support.http_client import photograph
from tests.support.s3 import S3Server

pytestmark = pytest.mark.component("s3_server")


@pytest_asyncio.fixture
async def g_on_s3(
    fresh_database: FreshDatabase, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Gateway]:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"downloads-{new_id()}"
    async with aioboto3.Session().client("s3", endpoint_url=s3_server.endpoint) as client:
        await client.create_bucket(Bucket=bucket)
    async with gateway(await fresh_database("gateway"), tmp_path, objects_url=f"s3://{bucket}/media") as running:
        yield running


class Network(httpx.AsyncBaseTransport):
    """The gateway of this process at `localhost`, and real connections to the store. The first answer of the store
    breaks off after `breaks_at` bytes."""

    def __init__(self, g: Gateway, breaks_at: int | None = None) -> None:
        self.gateway = httpx.ASGITransport(g.app, client=("127.0.0.1", 5000))
        self.store = httpx.AsyncHTTPTransport()
        self.breaks_at = breaks_at
        self.asked_store: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.host == "localhost":
            return await self.gateway.handle_async_request(request)
        self.asked_store.append(request)
        response = await self.store.handle_async_request(request)
        if self.breaks_at is not None and len(self.asked_store) == 1:
            assert isinstance(response.stream, httpx.AsyncByteStream)
            response.stream = _Broken(response.stream, self.breaks_at)
        return response

    async def aclose(self) -> None:
        await self.store.aclose()


class _Broken(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, breaks_at: int) -> None:
        self.inner, self.breaks_at = inner, breaks_at

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self.inner:
            yield chunk[: self.breaks_at]
            break
        raise httpx.ReadError("reset")

    async def aclose(self) -> None:
        await self.inner.aclose()


@pytest.mark.parametrize("breaks_at", [None, 1000])
async def test_a_file_in_s3_is_downloaded_and_resumed(g_on_s3: Gateway, tmp_path: Path, breaks_at: int | None) -> None:
    network = Network(g_on_s3, breaks_at)
    content = photograph(hue=5)
    assert len(content) > 1000
    async with AsyncRetake("http://localhost", g_on_s3.token("ana"), http=network) as client:
        project = await client.projects.create("Holidays")
        (tmp_path / "photo.jpg").write_bytes(content)
        upload = await client.uploads.create(project.id, tmp_path / "photo.jpg")
        assert upload.url
        size = await client.download(upload.url, tmp_path / "again.jpg")
    assert size == len(content)
    assert hashlib.sha256((tmp_path / "again.jpg").read_bytes()).digest() == hashlib.sha256(content).digest()
    expected = [None] if breaks_at is None else [None, f"bytes={breaks_at}-"]
    assert [r.headers.get("Range") for r in network.asked_store] == expected
    assert not any("Authorization" in r.headers for r in network.asked_store)
