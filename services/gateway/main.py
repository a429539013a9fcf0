"""The gateway as an ASGI app (`uvicorn --factory services.gateway.main:create_app`) and its command line
(`python -m services.gateway.main gc --dry-run`)."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

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


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings()
    configure_logging(Service.GATEWAY, level=settings.log_level, json=settings.log_json)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with export_traces(Service.GATEWAY), wire(settings) as state, _operations(settings, state):
            app.state.gateway = state

            def drain() -> None:
                state.health.draining = True
                state.hub.drain(over_s=settings.drain_s)

            with on_termination(drain):
                yield
            state.health.draining = True
            state.hub.drain()

    return build_app(settings, SystemClock(), lifespan)


def _operations(settings: Settings, state: AppState) -> AbstractAsyncContextManager[None]:
    """The second port, if there is to be one."""
    if settings.operations_port is None:
        return nullcontext()
    return operations_port(lambda: state.health, settings.operations_host, settings.operations_port)


if __name__ == "__main__":
    sys.exit(run_service_command(Service.GATEWAY, sys.argv[1:], Settings, lambda: open_retention(Settings())))
