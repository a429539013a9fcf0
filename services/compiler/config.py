"""Settings of the compiler, from the environment with the prefix COMPILER_."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.core.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="COMPILER_", frozen=True, extra="ignore")

    films_at_once: int = Field(2, ge=1, description="Number of compilations that are worked on at the same time")
    pieces_at_once: int = Field(2, ge=1, description="Number of ffmpeg processes at the same time for each compilation")
    render_ahead: bool = Field(
        True, description="Conform videos and render transitions when a version is committed, at low priority"
    )
    settle_s: float = Field(
        3.0, description="Seconds without a change in an episode before its sound is rendered ahead"
    )
    ahead_at_once: int = Field(1, ge=1, description="Number of episodes that are rendered ahead at the same time")
    cache_bytes: int = Field(
        20 * 2**30, description="Size of the cache of objects from S3; unused with a directory as object store"
    )
    ffmpeg_timeout_per_s: float = Field(
        60.0, description="Seconds that ffmpeg may take for one second of film before it is stopped"
    )
