"""The compiler as an ASGI app: `uvicorn --factory services.compiler.main:create_app`."""

from __future__ import annotations

from fastapi import FastAPI

from services.compiler.config import Settings
from services.compiler.wiring import wire
from shared.contracts.topics import Service
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    return service_app(Service.COMPILER, settings or Settings(), wire)
