"""Reviews: decisions about versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from client.models.base import AssetKind, Open, Resource


class ReviewAction(Open):
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_REGENERATION = "request_regeneration"
    UNKNOWN = "unknown"


class Review(Resource):
    action: ReviewAction | None = None
    kind: AssetKind | None = None
    episode_id: str | None = None
    asset_id: str | None = None
    segment_id: str | None = None
    run_id: str | None = None
    version_id: str | None = None
    rating: int | None = None
    feedback: str | None = None
    suggested_changes: dict[str, Any] | None = None
    note_ids: list[str] = []
    user_id: str | None = None
    author: str | None = None
    verdict: str | None = None
    next_run_id: str | None = None
    reason: str | None = None
    decided_at: datetime | None = None
