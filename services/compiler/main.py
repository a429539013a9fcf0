"""The compiler as an ASGI app (`uvicorn --factory services.compiler.main:create_app`) and its command line
(`python -m services.compiler.main gc --dry-run`)."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from services.compiler.config import Settings
from services.compiler.retention import open_retention
from services.compiler.wiring import wire
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.retention.command import run_command
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    return service_app(Service.COMPILER, settings or Settings(), wire)


if __name__ == "__main__":
    sys.exit(run_command(Service.COMPILER, sys.argv[1:], lambda: open_retention(Settings()), SystemClock()))
