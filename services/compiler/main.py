"""The compiler as an ASGI app: `uvicorn --factory services.compiler.main:create_app`; its operators' commands:
`python -m services.compiler.main gc --dry-run`."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from services.compiler.config import Settings
from services.compiler.wiring import open_keeper, wire
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.retention.command import operate
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    return service_app(Service.COMPILER, settings or Settings(), wire)


if __name__ == "__main__":
    sys.exit(operate(Service.COMPILER, sys.argv[1:], lambda: open_keeper(Settings()), SystemClock()))
