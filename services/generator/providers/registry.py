"""The providers of this installation, by name: a row each."""

from __future__ import annotations

from services.generator.providers.animatic import provider as animatic
from services.generator.providers.base import Provider
from services.generator.providers.replicate import provider as replicate


def registered_providers() -> dict[str, Provider]:
    """Each provider reads its own settings from the environment."""
    return {
        animatic.NAME: animatic.provider(),
        replicate.NAME: replicate.provider(),
    }
