"""The generator with an instant provider, so that the loop is measured and not a model."""

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
    """Writes a few bytes for each variant; everything else is the real service."""
    maker = Provider(animatic_provider.lane, maker=ScriptedMaker())
    adapters = Adapters(load_catalogue(None), {animatic_provider.NAME: maker}, ScriptedMedia(), ScriptedDownloads())
    return service_app(Service.GENERATOR, Settings(), partial(wire, adapters=adapters))
