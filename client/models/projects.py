"""Projects, their settings, members and figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from client.models.base import Model, Money, Resource


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
    """The settings of a project. Those of a kind are the settings of its model."""

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


class Share(Resource):
    """A link to one episode. `url` and `token` are told once, in the answer to its creation."""

    episode_id: str
    role: str
    label: str = ""
    user_id: str | None = None
    created_by: str | None = None
    expires_at: datetime
    revoked_at: datetime | None = None
    url: str | None = None
    token: str | None = None


class Member(Model):
    user_id: str
    name: str | None = None
    role: str


class UsageGroup(Model):
    """`amount` is the known cost, `estimated` the part of it that is an estimate. `unknown_runs` cost up to
    `unknown_at_most` in addition."""

    key: str
    amount: str = "0"
    estimated: str = "0"
    currency: str = "USD"
    runs: int = 0
    unknown_runs: int = 0
    unknown_at_most: str = "0"


class StorageUsage(Model):
    """Bytes; `limit` None: unlimited."""

    used: int = 0
    limit: int | None = None


class Usage(Model):
    project_id: str
    group_by: str | None = None
    groups: list[UsageGroup] = []
    totals: list[Money] = []
    unknown: list[Money] = []
    storage: StorageUsage | None = None


class RatedWeek(Model):
    """The ratings of one week, which begins on the Monday `week` (UTC)."""

    week: str
    mean_rating: float | None = None
    ratings: int = 0
    mean_film_rating: float | None = None
    film_ratings: int = 0


class Metrics(Model):
    """Review metrics. A rate is 0-1, or null without data; `targets` has the target of each metric, and `met` whether
    it is met."""

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
    films_handed_over: int = 0
    recompilation_rate: float | None = None
    ratings_by_week: list[RatedWeek] = []
    videos_generated: int = 0
    generation_seconds_per_5s: float | None = None
    targets: dict[str, float] = {}
    met: dict[str, bool | None] = {}


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
    message_code: str | None = None
    message_args: dict[str, Any] = {}
    run_status: str | None = None
    thumbnail_url: str | None = None
