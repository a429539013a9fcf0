"""Versions of an asset and the status that follows from the run that offered them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from services.gateway.domain.errors import Refusal
from services.gateway.domain.runs import RunState, RunStatus
from shared.contracts.messages import problem_text
from shared.contracts.retention import CLOSED_KEPT
from shared.contracts.values import AssetKind


@dataclass(frozen=True)
class VersionRecord:
    """`number` counts the versions of the asset. `closed_at`: when it was rejected, expired or not chosen."""

    version_id: str
    project_id: str
    episode_id: str
    asset_id: str
    kind: AssetKind
    run_id: str
    number: int
    status: VersionStatus
    directions: str
    model: str | None
    closed_at: datetime | None
    retired_at: datetime | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """{name: {value, source}}"""

    duration_s: float | None = None
    """As measured; None: a picture."""

    def value_of(self, setting: str) -> Any:
        """None: the version has no such setting."""
        return (self.settings.get(setting) or {}).get("value")


class VersionStatus(StrEnum):
    PREVIEW = "preview"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NOT_CHOSEN = "not_chosen"


def version_status(state: RunState, *, chosen: bool) -> VersionStatus:
    """The status of a candidate of a run; `chosen`: it is the candidate that was accepted."""
    match state.status:
        case RunStatus.ACCEPTED | RunStatus.COMPLETE:
            return VersionStatus.ACCEPTED if chosen else VersionStatus.NOT_CHOSEN
        case RunStatus.REJECTED:
            return VersionStatus.REJECTED
        case RunStatus.EXPIRED | RunStatus.FAILED | RunStatus.CANCELLED:
            return VersionStatus.EXPIRED
        case RunStatus.REQUESTED | RunStatus.QUEUED | RunStatus.GENERATING | RunStatus.PREVIEW_READY:
            return VersionStatus.PREVIEW
        case other:
            assert_never(other)


def is_retired(version: VersionRecord, now: datetime) -> bool:
    """Retention has deleted the version, or may have."""
    return version.retired_at is not None or (version.closed_at is not None and version.closed_at < now - CLOSED_KEPT)


def version_gone() -> Refusal:
    return Refusal("gone", *problem_text("version_retired"))
