"""How long an upload is kept: it goes with what it serves, and the version made from it has a copy of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.retention import CLOSED_KEPT, Action, Verdict, after, over


@dataclass(frozen=True)
class HeldUpload:
    """`active`: a run or an import that takes it has not ended; `served`: one has ended with what it was made for.
    `is_reference`: a character's settings name it. `size` in bytes."""

    upload_id: str
    project_id: str
    filename: str
    key: str
    size: int
    created_at: datetime
    active: bool = False
    served: bool = False
    is_reference: bool = False
    last_used_at: datetime | None = None
    project_deleted_at: datetime | None = None
    marked_at: datetime | None = None


def judge(held: HeldUpload, now: datetime) -> Verdict:
    if held.active:
        return Verdict(Action.KEEP, "a run or an import works from it", held.created_at)
    why = _why(held)
    if held.marked_at is not None:
        return over(held.marked_at, why, now)
    if held.project_deleted_at is not None:
        return Verdict(Action.MARK, why, held.project_deleted_at)
    if held.is_reference:
        return Verdict(Action.KEEP, why, held.created_at)
    used = held.last_used_at or held.created_at
    return Verdict(Action.MARK, why, used) if held.served else after(CLOSED_KEPT, used, why, now)


def _why(held: HeldUpload) -> str:
    if held.project_deleted_at is not None:
        return "its project was deleted"
    if held.is_reference:
        return "a reference image of a character"
    if held.served:
        return "its run has ended, and what came of it has a copy"
    return "its run failed: it can be tried again" if held.last_used_at else "nothing has used it yet"
