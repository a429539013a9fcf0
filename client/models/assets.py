"""Assets and their drafts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from client.models.base import AssetKind, Model, Resource, Settings
from client.models.runs import Run
from client.models.versions import Version


class Draft(Model):
    """Directions and settings of the next run, unless its request overrides them."""

    directions: str | None = None
    settings: dict[str, Any] = {}
    revision: int | None = None


class Asset(Resource):
    """A part of an episode that can be regenerated. Its id never changes."""

    project_id: str | None = None
    episode_id: str | None = None
    segment_id: str | None = None
    segment_number: int | None = None
    kind: AssetKind
    label: str | None = None
    draft: Draft | None = None
    defaults: Settings = {}
    committed: Version | None = None
    committed_at: datetime | None = None
    preview: Run | None = None
    active_run_id: str | None = None
    stale: dict[str, Any] | None = None
