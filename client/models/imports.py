"""Imports: episodes from documents and from films."""

from __future__ import annotations

from typing import Any

from client.models.base import Open, Problem, Resource


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
