"""A user's URL reaches public https servers and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest

from services.generator.media.downloads import GuardedDownloads
from shared.core.errors import Retryable, UserError

PUBLIC = "93.184.216.34"


def answer(content: bytes) -> httpx.Response:
    """As it comes from the network: not read yet."""
    return httpx.Response(200, stream=httpx.ByteStream(content))


class Wire(httpx.AsyncBaseTransport):
    """What would have gone out, and a scripted answer."""

    def __init__(self, response: httpx.Response | Exception | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.response = response or answer(b"a picture")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def downloads(wire: Wire, *addresses: str) -> GuardedDownloads:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if not addresses:
            raise OSError("no such host")
        return addresses

    return GuardedDownloads(resolve=resolve, transport=wire)


async def test_it_connects_to_the_address_that_it_checked(tmp_path: Path) -> None:
    wire = Wire()
    await downloads(wire, PUBLIC).fetch("https://example.com/a.jpg?x=1", tmp_path / "a", max_size=100)
    assert (tmp_path / "a").read_bytes() == b"a picture"
    [request] = wire.requests
    assert str(request.url) == f"https://{PUBLIC}/a.jpg?x=1"
    assert request.headers["host"] == "example.com"
    assert request.extensions["sni_hostname"] == "example.com", "the certificate is checked against the name"


async def test_an_ipv6_address_is_written_as_one(tmp_path: Path) -> None:
    wire = Wire()
    await downloads(wire, "2606:2800:220:1::1").fetch("https://example.com/", tmp_path / "a", max_size=100)
    assert wire.requests[0].url.host == "2606:2800:220:1::1"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "ff02::1",
        "::7f00:1",
        "fec0::1",
        "5f00::1",
        "2001:db8::1",
        "2001:0:7f00:1::f5ff:fffe",
        "192.0.0.9",
        "192.0.0.170",
        "192.88.99.1",
        "168.63.129.16",
        "192.175.48.1",
        "198.18.0.1",
        "240.0.0.1",
        "3fff::1",
        "3fff:fff::1",
        "3ffe::1",
        "2002:a83f:8110::1",
        "2002:808:808::1",
        "::ffff:168.63.129.16",
        "::ffff:8.8.8.8",
        "64:ff9b::a83f:8110",
        "64:ff9b::c000:aa",
        "2001:20::1",
        "2001:4:112::1",
        "2620:4f:8000::1",
        "4000::1",
    ],
)
async def test_private_addresses_are_refused(tmp_path: Path, address: str) -> None:
    for addresses in ([address], [PUBLIC, address]):
        wire = Wire()
        with pytest.raises(UserError) as refused:
            await downloads(wire, *addresses).fetch("https://example.com/a", tmp_path / "a", max_size=100)
        assert refused.value.code == "url_refused"
        assert wire.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "file:///etc/passwd",
        "ftp://example.com/a",
        "https://",
        "https://example.com:8080/a",
        "https://user:secret@example.com/a",
        "//example.com/a",
        "https://[::1",
        "gopher://example.com",
    ],
)
async def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    wire = Wire()
    with pytest.raises(UserError):
        await downloads(wire, PUBLIC).fetch(url, tmp_path / "a", max_size=100)
    assert wire.requests == []


@pytest.mark.parametrize(
    ("response", "error", "code"),
    [
        (httpx.Response(302, headers={"location": "http://169.254.169.254/"}), UserError, "url_refused"),
        (httpx.Response(404), UserError, "url_refused"),
        (answer(b""), UserError, "url_empty"),
        (httpx.Response(503), Retryable, "url_unreachable"),
        (httpx.Response(429), Retryable, "url_unreachable"),
        (httpx.ConnectError("refused"), Retryable, "url_unreachable"),
        (answer(b"x" * 101), UserError, "too_large"),
    ],
)
async def test_answers_that_are_no_file_are_told(
    tmp_path: Path, response: httpx.Response | Exception, error: type[Exception], code: str
) -> None:
    wire = Wire(response)
    with pytest.raises(error) as told:
        await downloads(wire, PUBLIC).fetch("https://example.com/a", tmp_path / "a", max_size=100)
    assert told.value.code == code  # type: ignore[attr-defined]
    assert len(wire.requests) == 1, "a redirect is not followed"


async def test_a_stream_without_end_is_cut(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    with pytest.raises(UserError, match="larger than"):
        await downloads(Wire(httpx.Response(200, content=endless())), PUBLIC).fetch(
            "https://example.com/a", tmp_path / "a", max_size=10_000
        )
    assert (tmp_path / "a").stat().st_size <= 10_000


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "64:ff9b::808:808", "168.63.129.15", "192.0.1.1", "2606:4700::1", "2a00:1450:4001:80b::1"]
)
async def test_public_addresses_are_reached(tmp_path: Path, address: str) -> None:
    wire = Wire()
    await downloads(wire, address).fetch("https://example.com/a", tmp_path / "a", max_size=100)
    assert wire.requests[0].url.host == address


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", "a..example", ".example", ".".join(["abcdefgh"] * 40), "\u00fc" * 60 + ".example"]
)
async def test_a_host_that_no_name_server_can_be_asked_for_is_told(tmp_path: Path, host: str) -> None:
    """With the system's own resolver, which raises UnicodeError for these."""
    with pytest.raises(UserError) as told:
        await GuardedDownloads(transport=Wire()).fetch(f"https://{host}/a", tmp_path / "a", max_size=100)
    assert told.value.code == "url_refused"


async def test_an_unknown_host_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        await downloads(Wire()).fetch("https://nowhere.example/a", tmp_path / "a", max_size=100)
