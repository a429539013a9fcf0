"""Settings of the generator, from the environment with the prefix GENERATOR_."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GENERATOR_", frozen=True, extra="ignore")

    default_provider: str = Field("animatic", description="whose models are the built-in defaults")
    catalogue: Path | None = Field(None, description="JSON file of models on top of the built-in ones")
    renders_at_once: int = Field(default_factory=lambda: os.cpu_count() or 2, ge=1,
                                 description="videos drawn and encoded on this machine's cores")
    drawings_at_once: int = Field(2, ge=1, description="cards, speech and music: a core each, for seconds")
    calls_at_once: int = Field(200, ge=1, description="calls to providers elsewhere")
    ingests_at_once: int = Field(2, ge=1, description="uploads, downloads and imports made safe")
    max_attempts: int = Field(4, ge=1, description="how often transient failures of a run are tried")
    queued_hours: float = Field(24, gt=0, description="a run that no worker has taken for so long fails")
    generating_hours: float = Field(2, gt=0, description="a run that is at work for so long fails")
