"""The generator as an ASGI app (`uvicorn --factory services.generator.main:create_app`) and its command line
(`python -m services.generator.main gc --dry-run`, `... recover --since T`)."""

from __future__ import annotations

import sys
from functools import partial

from fastapi import FastAPI

from services.generator.api.webhooks import webhook_routes
from services.generator.config import Settings
from services.generator.providers.registry import registered_providers
from services.generator.recovery import recollection
from services.generator.retention import open_retention
from services.generator.wiring import adapters, wire
from shared.command import run_service_command
from shared.contracts.topics import Service
from shared.core.clock import Clock
from shared.messaging.events import Publisher
from shared.messaging.recollection import Recollection
from shared.service import service_app


def create_app(settings: Settings | None = None) -> FastAPI:
    settings, providers = settings or Settings(), registered_providers()
    app = service_app(Service.GENERATOR, settings, partial(wire, adapters=adapters(settings, providers)))
    app.include_router(webhook_routes(providers))
    return app


def _recollection(publisher: Publisher, clock: Clock) -> Recollection:
    return recollection(publisher, clock, {name: p.lane for name, p in registered_providers().items()})


if __name__ == "__main__":
    sys.exit(
        run_service_command(
            Service.GENERATOR, sys.argv[1:], Settings, lambda: open_retention(Settings()), _recollection
        )
    )
