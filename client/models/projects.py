"""Projects, their settings, their uploads and imports."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from client.models.base import Model, Open, Problem, Resource


class Project(Resource):
    name: str
    description: str | None = None
    my_role: str | None = None


class Character(Model):
    name: str
    description: str | None = None
    upload_ids: list[str] = []


class ProjectSettings(Model):
    """Defaults of a project. The settings of a kind are those that its model takes."""

    revision: int | None = None
    output: dict[str, Any] | None = None
    video: dict[str, Any] = {}
    image: dict[str, Any] = {}
    narration: dict[str, Any] = {}
    music: dict[str, Any] = {}
    style: str | None = None
    characters: list[Character] = []
    review: dict[str, Any] | None = None
    workflow: str | None = None
    spend_cap: dict[str, Any] | None = None


class Member(Model):
    user_id: str
    name: str | None = None
    role: str


class Upload(Resource):
    filename: str | None = None
    content_type: str | None = None
    kind: str | None = None
    size: int | None = Field(None, description="bytes")
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = Field(None, description="seconds")
    url: str | None = None


class ImportStatus(Open):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def at_rest(self) -> bool:
        return self in (ImportStatus.COMPLETED, ImportStatus.FAILED, ImportStatus.CANCELLED)


class Import(Resource):
    status: ImportStatus
    percent: float | None = None
    episode_id: str | None = None
    warnings: list[Any] = []
    error: Problem | None = None


class Me(Model):
    user_id: str
    name: str | None = None
    scopes: list[str] = []
    quotas: dict[str, Any] | None = None


class CatalogueModel(Model):
    """A model that can make an asset. `settings_schema` is JSON Schema."""

    slug: str
    provider: str | None = None
    kind: str | None = None
    kinds: list[str] = []
    settings_schema: dict[str, Any] | None = None
    price: Any = None

    @property
    def makes(self) -> list[str]:
        return self.kinds or ([self.kind] if self.kind else [])
