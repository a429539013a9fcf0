"""The settings of every service, read from environment variables. Each config.py adds its own and sets the prefix."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Frozen; built when the app is created, never at import. For example `GENERATOR_DATABASE_URL`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    database_url: str = Field(
        description="postgresql://role:password@host:port/database; a direct connection, not through a pooler"
    )
    kafka_bootstrap: str = Field(description="host:port[,host:port]")
    kafka_embedded: bool = Field(
        False, description="whether the broker is the embedded in-memory one; never in production"
    )
    objects_url: str = Field(description="file:///folder or s3://bucket/prefix; each service has a prefix below it")
    work_dir: str = Field("/tmp", description="directory for temporary files, which may be lost at any time")
    pool_size: int = 10
    signing_certificate: str | None = Field(
        None, description="certificate chain for Content Credentials: PEM, or its path"
    )
    signing_key: str | None = Field(
        None, description="private key of that certificate (PKCS#8, P-256): PEM, or its path"
    )
    signing_dir: str | None = Field(
        None, description="directory of the development certificate that is used if no certificate is set"
    )
    log_level: str = "INFO"
    log_json: bool = True
