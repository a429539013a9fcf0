"""Forwards TCP connections: `python -m tests.support.forwarder HOST PORT...` listens on the loopback interface at each
port and forwards to the same port of HOST. `forwarding` does the same within this process, from an address."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

LOOPBACK = "127.0.0.1"


@asynccontextmanager
async def forwarding(at: str, to: str, ports: Sequence[int]) -> AsyncIterator[None]:
    """Each port of `at` leads to the same port of `to`."""
    async with AsyncExitStack() as stack:
        for port in ports:
            server = await asyncio.start_server(lambda r, w, port=port: _forward(r, w, to, port), at, port)
            stack.callback(server.close)
        yield


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: str, port: int) -> None:
    with suppress(OSError, asyncio.CancelledError):
        back, there = await asyncio.open_connection(to, port)
        await asyncio.gather(_copy(reader, there), _copy(back, writer))
    writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    finally:
        target.close()


async def main(host: str, ports: Sequence[int]) -> None:
    async with forwarding(LOOPBACK, host, ports):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], [int(port) for port in sys.argv[2:]]))
