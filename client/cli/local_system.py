"""A running system for a command: the present one, else one that is started for it and stopped afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from client.api import AsyncRetake
from client.cleanup import best_effort
from client.cli.session import Session
from client.errors import NotRunning, Unreachable
from client.locate import GatewayAddress, data_dir

START_S = 120.0
STOP_S = 60.0


@asynccontextmanager
async def running(session: Session) -> AsyncIterator[AsyncRetake]:
    """A client of a gateway that answers."""
    if address := await _running_gateway(session):
        async with AsyncRetake.at(address) as client:
            yield client
        return
    async with _started(session, data_dir(session.data)) as address, AsyncRetake.at(address) as client:
        yield client


async def _running_gateway(session: Session) -> GatewayAddress | None:
    """The gateway that answers; None if a system must be started. Raises Unreachable if the user named a gateway."""
    try:
        address = session.address()
        async with AsyncRetake.at(address) as client:
            await client.check()
    except Unreachable:
        if session.url or (os.environ.get("RETAKE_URL") and session.data is None):
            raise
        return None
    return address


@asynccontextmanager
async def _started(session: Session, data: Path) -> AsyncIterator[GatewayAddress]:
    try:
        with session.console.status(f"Starting Retake on {data}..."):
            if not session.live:
                session.line(f"Starting Retake on {data}...")
            gateway, token = await start_system(data)
        yield GatewayAddress(gateway, token, data / "token", data)
    finally:
        with session.console.status("Stopping Retake..."):
            await best_effort(stop_system(data), STOP_S)


async def start_system(data: Path) -> tuple[str, str]:
    """Start a system on this directory. Returns the URL of its gateway and a token. Raises NotRunning."""
    code, out, err = await _retake("up", "--detach", "--json", "--data", str(data))
    try:
        found = json.loads(out)
        return found["gateway"], found["token"]
    except (ValueError, KeyError, TypeError):
        cause = " ".join(line.removeprefix("Error: ") for line in err.splitlines() if line.strip())
        raise NotRunning(
            f"Retake is not running and could not be started: {cause or f'exit code {code}'}",
            "Start it with `retake up`, or set RETAKE_URL and RETAKE_TOKEN to use another gateway.",
        ) from None


async def stop_system(data: Path) -> None:
    """Stop the system of this directory, if it is running."""
    await _retake("down", "--data", str(data))


async def reset_system(data: Path) -> None:
    """Stop the system of this directory and delete its data."""
    await _retake("reset", "--yes", "--data", str(data))


async def _retake(*arguments: str) -> tuple[int, str, str]:
    """Run a command of `retake` in a session of its own, so that a Ctrl-C at the terminal reaches only us."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "500"},
    )
    try:
        async with asyncio.timeout(START_S):
            out, err = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")
