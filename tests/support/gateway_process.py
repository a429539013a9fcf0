"""The gateway as a separate process. Without a broker, the events that it publishes stay in its outbox."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from deploy.local.supervisor.preflight import free_port
from tests.support.gateway_http import NOWHERE, SECRET

ROOT = Path(__file__).resolve().parents[2]
START_S = 90


@asynccontextmanager
async def process(
    database_url: str, folder: Path, port: int | None = None, kafka: str = NOWHERE, **settings: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """The process and its port; `settings` are of the gateway, without their prefix; its log is gateway.log in
    `folder`. The process is killed at the end if it is still running."""
    port = port or free_port()
    env = os.environ | {
        "GATEWAY_DATABASE_URL": database_url,
        "GATEWAY_KAFKA_BOOTSTRAP": kafka,
        "GATEWAY_PORT": str(port),
        "GATEWAY_OBJECTS_URL": f"file://{folder}/objects",
        "GATEWAY_JWT_SECRET": SECRET,
        "GATEWAY_MEDIA_SECRET": SECRET,
        "GATEWAY_LOCAL_MODE": "true",
        "GATEWAY_LOG_LEVEL": "ERROR",
        **{f"GATEWAY_{name.upper()}": value for name, value in settings.items()},
    }
    with (folder / "gateway.log").open("ab") as log:  # a pipe that nobody reads would stop it when it is full
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.web.server", "gateway"), cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:
        async with httpx.AsyncClient() as api, asyncio.timeout(START_S):
            while True:
                with suppress(httpx.HTTPError):
                    if (await api.get(f"http://127.0.0.1:{port}/health/ready")).status_code == 200:
                        break
                await asyncio.sleep(0.1)
        yield child, port
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
