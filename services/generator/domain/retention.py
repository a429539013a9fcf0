"""Which versions are kept, and for how long: the rule that both the deletion and its explanation apply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from services.generator.domain.states import VersionStatus
from shared.contracts.retention import (
    ACCEPTED_KEPT,
    CLOSED_KEPT,
    GRACE,
    Action,
    Disposition,
    delete_after,
    mark_after,
)
from shared.contracts.values import AssetKind


class RetirementReason(StrEnum):
    """Why a commit retired an accepted version."""

    SURPLUS = "surplus"  # as many newer versions were accepted as are kept
    REPLACED = "replaced"  # the run that replaced it had `keep_original: false`


@dataclass(frozen=True)
class VersionRecord:
    """A version. `size` in bytes with its poster, filmstrip, proxy and last frame; `in_use`: an active run offers it or
    works from it."""

    id: str
    project_id: str | None
    asset_id: str
    kind: AssetKind
    number: int
    status: VersionStatus
    size: int
    created_at: datetime
    committed: bool = False
    in_use: bool = False
    settled_at: datetime | None = None
    accepted_at: datetime | None = None
    retirement_reason: RetirementReason | None = None
    retired_at: datetime | None = None
    marked_at: datetime | None = None
    asset_deleted_at: datetime | None = None

    @property
    def what(self) -> str:
        return f"{self.kind.value.replace('_', ' ')} version {self.number}"


def version_disposition(version: VersionRecord, now: datetime) -> Disposition:
    """A committed version, or one in use, is never marked and never deleted, whatever else is true of it."""
    if version.committed and version.asset_deleted_at is None:
        return Disposition(Action.KEEP, "committed: the version that everybody sees", _accepted_at(version))
    if version.in_use:
        return Disposition(Action.KEEP, "an active run offers it or works from it", version.created_at)
    reason = _reason(version)
    if version.marked_at is not None:
        return delete_after(GRACE, version.marked_at, reason, now)
    if version.asset_deleted_at is not None:
        return Disposition(Action.MARK, reason, version.asset_deleted_at)
    if version.retired_at is not None:
        return Disposition(Action.MARK, reason, version.retired_at)
    match version.status:
        case VersionStatus.ACCEPTED:
            return Disposition(Action.KEEP, reason, _accepted_at(version))
        case VersionStatus.CANDIDATE:
            return Disposition(Action.KEEP, reason, version.created_at)
        case VersionStatus.REJECTED | VersionStatus.EXPIRED | VersionStatus.NOT_CHOSEN | VersionStatus.DISCARDED:
            return mark_after(CLOSED_KEPT, version.settled_at or version.created_at, reason, now)
        case _:
            assert_never(version.status)


def surplus(accepted: Sequence[str], chosen: str) -> list[str]:
    """The ids that a commit of `chosen` retires; `accepted` are the asset's kept accepted versions, newest first."""
    return [v for v in accepted if v != chosen][ACCEPTED_KEPT - 1 :]


_STATUS_REASONS: Final = {
    VersionStatus.ACCEPTED: f"one of the last {ACCEPTED_KEPT} accepted versions",
    VersionStatus.CANDIDATE: "its run has not ended",
    VersionStatus.REJECTED: "rejected",
    VersionStatus.EXPIRED: "its review expired, or another version was committed first",
    VersionStatus.NOT_CHOSEN: "another variant was chosen",
    VersionStatus.DISCARDED: "its run was cancelled",
}


def _accepted_at(version: VersionRecord) -> datetime:
    return version.accepted_at or version.created_at


def _reason(version: VersionRecord) -> str:
    """Why the version is kept or deleted; the strongest reason first."""
    if version.asset_deleted_at is not None:
        return "its asset was deleted"
    match version.retirement_reason:
        case RetirementReason.SURPLUS:
            return f"accepted, but so were {ACCEPTED_KEPT} newer versions"
        case RetirementReason.REPLACED:
            return "replaced by a run with keep_original: false"
        case None:
            return _STATUS_REASONS[version.status]
        case _:
            assert_never(version.retirement_reason)
