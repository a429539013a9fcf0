"""What every service is told by its environment. Each service's config.py adds its own and sets the prefix."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Frozen, built when the app is created, never at import. `GENERATOR_DATABASE_URL` and so on."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(description="postgresql://role:password@host:port/database: a direct connection")
    kafka_bootstrap: str = Field(description="host:port[,host:port]")
    kafka_embedded: bool = Field(False, description="the in-memory broker of one laptop; never in production")
    objects_url: str = Field(description="file:///folder or s3://bucket/prefix; each owner has a prefix below it")
    work_dir: str = Field("/tmp", description="for files in work; may be lost at any time")
    pool_size: int = 10
    signing_certificate: str | None = Field(None, description="of Content Credentials: a PEM chain, or its path")
    signing_key: str | None = Field(None, description="its PKCS#8 key on P-256: PEM, or its path")
    signing_dir: str | None = Field(None, description="keeps the development certificate that is used without these")
    log_level: str = "INFO"
    log_json: bool = True
