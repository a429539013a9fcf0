"""What is kept and for how long: one function says it of any version, for the sweep and for who asks why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from services.generator.domain.states import VersionStatus
from shared.contracts.retention import ACCEPTED_KEPT, CLOSED_KEPT, Action, Verdict, after, over
from shared.contracts.values import AssetKind


class LetGo(StrEnum):
    """Why a commit let an accepted version go."""

    SURPLUS = "surplus"  # as many newer accepted ones are there as are kept
    REPLACED = "replaced"  # `keep_original: false` of the run that replaced it


@dataclass(frozen=True)
class Holding:
    """A version as retention sees it. `in_use`: an active run offers it, or works from it. Sizes in bytes."""

    version_id: str
    project_id: str
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
    let_go: LetGo | None = None
    let_go_at: datetime | None = None
    marked_at: datetime | None = None
    asset_deleted_at: datetime | None = None


def judge(held: Holding, now: datetime) -> Verdict:
    """What is committed or in use is never marked and never deleted, whatever else is true of it."""
    deleted = held.asset_deleted_at
    if held.committed and deleted is None:
        return Verdict(Action.KEEP, "committed: what everybody sees", held.accepted_at or held.created_at)
    if held.in_use:
        return Verdict(Action.KEEP, "an active run offers it or works from it", held.created_at)
    why = _closed(held)
    if held.marked_at is not None:
        return over(held.marked_at, why, now)
    if deleted is not None:
        return Verdict(Action.MARK, why, deleted)
    if held.let_go_at is not None:
        return Verdict(Action.MARK, why, held.let_go_at)
    match held.status:
        case VersionStatus.ACCEPTED:
            return Verdict(Action.KEEP, why, held.accepted_at or held.created_at)
        case VersionStatus.CANDIDATE:
            return Verdict(Action.KEEP, why, held.created_at)
        case VersionStatus.REJECTED | VersionStatus.EXPIRED | VersionStatus.NOT_CHOSEN | VersionStatus.DISCARDED:
            return after(CLOSED_KEPT, held.settled_at or held.created_at, why, now)
        case _:
            assert_never(held.status)


def surplus(accepted: Sequence[str], chosen: str) -> list[str]:
    """What a commit lets go: `accepted` are the asset's kept ones, newest first; `chosen` is about to be the newest."""
    return [v for v in accepted if v != chosen][ACCEPTED_KEPT - 1 :]


_WHY: Final = {
    VersionStatus.ACCEPTED: f"one of the last {ACCEPTED_KEPT} accepted versions",
    VersionStatus.CANDIDATE: "its run is not over",
    VersionStatus.REJECTED: "rejected",
    VersionStatus.EXPIRED: "nobody decided in time, or another version was committed first",
    VersionStatus.NOT_CHOSEN: "another variant was chosen",
    VersionStatus.DISCARDED: "its run was cancelled",
}


def _closed(held: Holding) -> str:
    """Why it may not be needed any more, the strongest reason first."""
    if held.asset_deleted_at is not None:
        return "its asset was deleted"
    match held.let_go:
        case LetGo.SURPLUS:
            return f"accepted, but {ACCEPTED_KEPT} newer versions were, too"
        case LetGo.REPLACED:
            return "replaced by a run that was asked not to keep the original"
        case None:
            return _WHY[held.status]
        case _:
            assert_never(held.let_go)
