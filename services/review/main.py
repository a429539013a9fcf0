"""The review service as an ASGI app: `uvicorn --factory services.review.main:create_app`."""

from __future__ import annotations

from fastapi import FastAPI

from services.review.config import Settings
from services.review.wiring import wire
from shared.contracts.topics import Service
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    return service_app(Service.REVIEW, settings or Settings(), wire)
