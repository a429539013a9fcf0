"""Connections with an incomplete request head, or with a client that reads nothing, are closed; others are served."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest_asyncio
import uvicorn

from shared.web.timeouts import HEAD_BYTES, TimeoutProtocol

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


FILM, CHUNK = 64, 256 * 1024  # chunks: more than the buffers of two sockets hold


class ShortTimeouts(TimeoutProtocol):
    head_s = 0.3
    stall_s = 0.6


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/film":
        await _film(send)
        return
    await asyncio.sleep(0.5)  # longer than the timeout of the head: a response may take its time
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


film_ended = asyncio.Event()


async def _film(send: Any) -> None:
    size = str(FILM * CHUNK).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]})
    try:
        for n in range(FILM):
            await send({"type": "http.response.body", "body": b"x" * CHUNK, "more_body": n < FILM - 1})
    finally:
        film_ended.set()


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=ShortTimeouts, lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield listening.getsockname()[1]
    server.should_exit = True
    await serving


async def _exchange(port: int, *parts: bytes) -> bytes:
    """Everything that is received until the server closes the connection."""
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
        finally:
            writer.close()


async def test_an_incomplete_head_times_out(port: int) -> None:
    assert await _exchange(port) == b""
    assert await _exchange(port, b"GET / HTTP/1.1\r\nHost: ") == b""


async def test_an_endless_head_is_not_read(port: int) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(HEAD_BYTES // 500))
    with suppress(ConnectionError):  # closed while we were writing
        assert await _exchange(port, b"GET / HTTP/1.1\r\n" + many) == b""


async def test_requests_on_one_connection_are_served_in_turn(port: int) -> None:
    received = await _exchange(port, GET + GET + GET[:10])
    assert received.count(b"200 OK") == 2


async def test_a_client_that_reads_nothing_is_disconnected(port: int) -> None:
    film_ended.clear()
    with _film_request(port) as connection:
        async with asyncio.timeout(60):
            await film_ended.wait()
        assert await _read_all(connection) < FILM * CHUNK, "the response was cut off"


async def test_a_slow_client_receives_everything(port: int) -> None:
    with _film_request(port) as connection:
        assert await _read_all(connection, pause=0.003) > FILM * CHUNK


@contextmanager
def _film_request(port: int) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.connect(("127.0.0.1", port))
        connection.setblocking(False)
        connection.send(b"GET /film HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        yield connection


async def _read_all(connection: socket.socket, pause: float = 0) -> int:
    size, loop = 0, asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await loop.sock_recv(connection, 32 * 1024):
            size += len(data)
            await asyncio.sleep(pause)
    return size
