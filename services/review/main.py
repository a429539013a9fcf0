"""The review service as an ASGI app (`uvicorn --factory services.review.main:create_app`) and its command line
(`python -m services.review.main dead-letters list`, `... recover --since T`)."""

from __future__ import annotations

import sys

from fastapi import FastAPI

from services.review.config import Settings
from services.review.recovery import recollection
from services.review.wiring import wire
from shared.command import run_service_command
from shared.contracts.topics import Service
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    return service_app(Service.REVIEW, settings or Settings(), wire)


if __name__ == "__main__":
    sys.exit(run_service_command(Service.REVIEW, sys.argv[1:], Settings, recollection=recollection))
