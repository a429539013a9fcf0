"""Settings of the generator, from the environment with the prefix GENERATOR_. Providers have settings of their own."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.core.machine import processors
from shared.core.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GENERATOR_", frozen=True, extra="ignore", populate_by_name=True)

    default_provider: str = Field("animatic", description="provider whose models are the defaults")
    catalogue: Path | None = Field(None, description="JSON file with models that extend or replace the built-in ones")
    renders_at_once: int = Field(
        default_factory=processors,
        ge=1,
        description="animatic videos rendered at once; each uses one core. By default as many as the container may use",
    )
    drawings_at_once: int = Field(2, ge=1, description="animatic cards, narrations and scores made at once")
    calls_at_once: int = Field(200, ge=1, description="calls to remote providers at once")
    ingests_at_once: int = Field(2, ge=1, description="uploads, downloads and imports converted at once")
    splits_at_once: int = Field(1, ge=1, description="films split into clips at once; each uses two cores")
    max_attempts: int = Field(4, ge=1, description="attempts at a run before a transient failure ends it")
    queued_hours: float = Field(24, gt=0, description="hours after which a run that no worker has taken fails")
    generating_hours: float = Field(2, gt=0, description="hours after which a run that a worker has taken fails")
