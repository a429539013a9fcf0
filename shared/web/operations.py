"""A second port for operators: health and metrics, away from the callers of the API."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from shared.web.cookies import WithoutCookies
from shared.web.health import Health, health_routes
from shared.web.timeouts import TimeoutProtocol

MAX_CONNECTIONS: Final = 64


class _Beside(uvicorn.Server):
    """Ends with its task and not by a signal: signals are the main server's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def operations_port(health: Callable[[], Health], host: str, port: int) -> AsyncIterator[None]:
    """Serves /health/live, /health/ready and /metrics on that port for as long as the block runs.

    Raises OSError if the port cannot be had.
    """
    app = FastAPI(title="Operations", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(WithoutCookies)
    app.include_router(health_routes(health))
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=TimeoutProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family)
    server = _Beside(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="operations-port")
    try:
        yield  # the socket listens already: whoever connects before the server has begun is answered then
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        listening.close()
