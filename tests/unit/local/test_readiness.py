"""What the supervisor reads from a service's readiness."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.commands import status
from deploy.local.parts.services import ServicePart, Spawned
from deploy.local.supervisor import http_probe
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.state import PartStatus, State
from shared.core.errors import Retryable

CHECKS = b'{"status": "unavailable", "checks": {"relay": "ok", "database": "no login", "objects": "no bucket"}}'


@asynccontextmanager
async def answering(code: int, body: bytes) -> AsyncIterator[socket.socket]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d Some Words\r\nConnection: close\r\n\r\n" % code + body)
        await writer.drain()
        writer.close()

    listening = socket.create_server(("127.0.0.1", 0))
    async with await asyncio.start_server(answer, sock=listening):
        yield listening


def part(listening: socket.socket, folder: Path) -> ServicePart:
    data = DataDir.of(folder)
    unused: Any = None
    return ServicePart("review", data, unused, listening, Spawned(data, ()), waits_s=0.3)


async def test_a_service_that_waits_for_too_long_is_given_up_with_what_it_waits_for(tmp_path: Path) -> None:
    child: Any = None
    async with answering(503, CHECKS) as listening:
        with pytest.raises(Retryable) as told:
            await part(listening, tmp_path).ready(child)
    assert told.value.cause == "was not ready after 0.3 s; it waits: database: no login; objects: no bucket"


async def test_a_ready_service_has_its_address(tmp_path: Path) -> None:
    child: Any = None
    async with answering(200, CHECKS) as listening:
        assert await part(listening, tmp_path).ready(child) == f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[1]", b"{}", b'{"checks": 1}', b'{"checks": "words"}', b"[" * 60_000, CHECKS * 2_000]
)
async def test_an_answer_without_checks_has_no_problems(body: bytes) -> None:
    async with answering(503, body) as listening:
        port = listening.getsockname()[1]
        assert await http_probe.readiness("127.0.0.1", port) == http_probe.Readiness(503)


async def test_status_says_what_a_service_waits_for() -> None:
    async with answering(503, CHECKS) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        found = await status._probe(PartStatus("review", State.READY, address=url), url)
    assert (found.state, found.detail) == (State.NOT_READY, "database: no login; objects: no bucket")
