"""Settings of the compiler, from the environment with the prefix COMPILER_."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.core.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="COMPILER_", frozen=True, extra="ignore")

    films_at_once: int = Field(2, ge=1, description="compilations in hand at one time")
    pieces_at_once: int = Field(2, ge=1, description="ffmpegs at one time for each compilation")
    render_ahead: bool = Field(True, description="conform and render transitions at commit, at low priority")
    settle_s: float = Field(3.0, description="of quiet in an episode before its sound is rendered ahead")
    ahead_at_once: int = Field(1, ge=1, description="episodes that are rendered ahead at one time")
    cache_bytes: int = Field(20 * 2**30, description="of objects downloaded from S3; a directory needs none")
    ffmpeg_timeout_per_s: float = Field(
        60.0, description="seconds for one second of film, before ffmpeg counts as hung"
    )
