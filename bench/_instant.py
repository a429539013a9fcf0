"""The generator with a provider that is instant: what is measured is the loop, not a model."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI

from services.generator.config import Settings
from services.generator.providers.animatic import provider as animatic_provider
from services.generator.providers.base import Provider
from services.generator.wiring import Adapters, wire
from shared.contracts.catalogue import load_catalogue
from shared.contracts.topics import Service
from shared.service import service_app
from tests.support.generator import ScriptedDownloads, ScriptedMaker, ScriptedMedia


def create_app() -> FastAPI:
    """Writes a few bytes per candidate; all the rest is the service itself."""
    maker = Provider(animatic_provider.lane, maker=ScriptedMaker())
    adapters = Adapters(load_catalogue(None), {animatic_provider.NAME: maker}, ScriptedMedia(), ScriptedDownloads())
    return service_app(Service.GENERATOR, Settings(), partial(wire, adapters=adapters))
