"""Projects, their settings, their uploads and imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from client.models.base import Model, Money, Open, Problem, Resource


class Project(Resource):
    name: str
    description: str | None = None
    my_role: str | None = None
    bytes: int | None = None


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
    limits: dict[str, float | None] = {}
    usable: bool = True
    unusable_reason: str | None = None

    @property
    def makes(self) -> list[str]:
        return self.kinds or ([self.kind] if self.kind else [])


class Token(Model):
    access_token: str
    expires_in: int | None = Field(None, description="seconds")


class Ticket(Model):
    ticket: str
    expires_at: datetime | None = None


class Health(Model):
    status: str
    checks: dict[str, str] = {}


class UsageGroup(Model):
    """`amount` is what is known to have been paid, `estimated` what is still expected of work under way."""

    key: str
    amount: str = "0"
    estimated: str = "0"
    currency: str = "USD"
    runs: int = 0


class Usage(Model):
    project_id: str
    group_by: str | None = None
    groups: list[UsageGroup] = []
    totals: list[Money] = []


class Metrics(Model):
    """How well reviews go. A rate is 0-1, null before there is anything to count; `targets` says what to aim for."""

    project_id: str | None = None
    episode_id: str | None = None
    first_time_approval_rate: float | None = None
    regeneration_rate: float | None = None
    seconds_to_film: float | None = None
    mean_rating: float | None = None
    mean_film_rating: float | None = None
    segments_reviewed: int = 0
    decisions: int = 0
    ratings: int = 0
    targets: dict[str, float] = {}


class FeedEntry(Model):
    """One step of one run, as it happened."""

    id: str
    at: datetime | None = None
    run_id: str | None = None
    asset_id: str | None = None
    episode_id: str | None = None
    segment_number: int | None = None
    kind: str | None = None
    label: str | None = None
    state: str | None = None
    step: str | None = None
    attempt: int | None = None
    message: str = ""
    run_status: str | None = None
    thumbnail_url: str | None = None
