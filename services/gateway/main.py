"""The gateway as an ASGI app (`uvicorn --factory services.gateway.main:create_app`) and its command line
(`python -m services.gateway.main gc --dry-run`)."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from fastapi import FastAPI

from services.gateway.api.app import build_app
from services.gateway.api.app_state import AppState
from services.gateway.config import Settings
from services.gateway.retention import open_retention
from services.gateway.wiring import wire
from shared.command import run_service_command
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.observability.logging import configure_logging
from shared.observability.tracing import export_traces
from shared.web.operations import operations_port
from shared.web.shutdown import on_termination
from shared.web.starting import Starting


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings()
    configure_logging(Service.GATEWAY, level=settings.log_level, json=settings.log_json)

    @asynccontextmanager
    async def wired() -> AsyncIterator[AppState]:
        async with wire(settings) as state:
            app.state.gateway = state
            yield state

    starting = Starting(Service.GATEWAY, wired, health_of=lambda state: state.health)

    def drain(over_s: float = 0.0) -> None:
        starting.drain()
        if starting.state is not None:
            starting.state.hub.drain(over_s=over_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with export_traces(Service.GATEWAY), _operations(settings, starting):
            with on_termination(partial(drain, settings.drain_s)):
                async with starting:
                    yield
                    drain()

    app = build_app(settings, SystemClock(), lifespan)
    app.state.starting = starting
    return app


def _operations(settings: Settings, starting: Starting[AppState]) -> AbstractAsyncContextManager[None]:
    """The second port, if there is to be one."""
    if settings.operations_port is None:
        return nullcontext()
    return operations_port(lambda: starting.health, settings.operations_host, settings.operations_port)


if __name__ == "__main__":
    sys.exit(run_service_command(Service.GATEWAY, sys.argv[1:], Settings, lambda: open_retention(Settings())))
