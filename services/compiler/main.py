"""The compiler as an ASGI app (`uvicorn --factory services.compiler.main:create_app`) and its command line
(`python -m services.compiler.main gc --dry-run`, `... recover --since T`)."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from services.compiler.config import Settings
from services.compiler.recovery import recollection
from services.compiler.retention import open_retention
from services.compiler.wiring import wire
from shared.command import run_service_command
from shared.contracts.topics import Service
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    return service_app(Service.COMPILER, settings or Settings(), wire)


if __name__ == "__main__":
    sys.exit(
        run_service_command(Service.COMPILER, sys.argv[1:], Settings, lambda: open_retention(Settings()), recollection)
    )
