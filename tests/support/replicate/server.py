"""Runs the emulator on a port, in this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from tests.support.replicate.app import Emulator
from tests.support.replicate.faults import Faults
from tests.support.replicate.media import Studio
from tests.support.replicate.predictions import RETENTION_S, Account

TOKEN = "r8_emulated"


@dataclass
class Running:
    url: str
    account: Account
    token: str = TOKEN

    @property
    def faults(self) -> Faults:
        return self.account.faults


@asynccontextmanager
async def running(
    folder: Path,
    *,
    port: int = 0,
    speed: float = 1.0,
    token: str = TOKEN,
    host: str = "127.0.0.1",
    retention_s: float | None = None,
) -> AsyncIterator[Running]:
    """`speed` 100: what takes Replicate 14 s takes 0.14 s."""
    listening = socket.create_server((host, port))
    url = f"http://{host}:{listening.getsockname()[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    account = Account(Studio(folder), lambda: url, speed)
    account.retention_s = RETENTION_S / speed if retention_s is None else retention_s
    config = uvicorn.Config(
        Emulator(account, token).app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield Running(url, account, token)
    finally:
        for task in list(account.tasks):
            task.cancel()
        server.should_exit = True
        await asyncio.gather(serving, *account.tasks, return_exceptions=True)
        listening.close()
