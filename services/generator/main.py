"""The generator service as an ASGI app: `uvicorn --factory services.generator.main:create_app`."""

from __future__ import annotations

from fastapi import FastAPI

from services.generator.config import Settings
from services.generator.wiring import wire
from shared.contracts.topics import Service
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    return service_app(Service.GENERATOR, settings or Settings(), wire)
