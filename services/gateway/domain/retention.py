"""How long an upload is kept: until its run or import has ended, because the resulting version has its own copy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.retention import CLOSED_KEPT, GRACE, Action, Disposition, delete_after, mark_after


@dataclass(frozen=True)
class UploadRecord:
    """An upload. `size` in bytes; `active`: a run or an import of it has not ended; `served`: one has completed;
    `is_reference`: a character in the project's settings names it."""

    id: str
    project_id: str
    filename: str
    size: int
    created_at: datetime
    active: bool = False
    served: bool = False
    is_reference: bool = False
    last_used_at: datetime | None = None
    project_deleted_at: datetime | None = None
    marked_at: datetime | None = None

    @property
    def what(self) -> str:
        return f"upload {self.filename}"


def upload_disposition(upload: UploadRecord, now: datetime) -> Disposition:
    if upload.active:
        return Disposition(Action.KEEP, "a run or an import works from it", upload.created_at)
    reason = _reason(upload)
    if upload.marked_at is not None:
        return delete_after(GRACE, upload.marked_at, reason, now)
    if upload.project_deleted_at is not None:
        return Disposition(Action.MARK, reason, upload.project_deleted_at)
    if upload.is_reference:
        return Disposition(Action.KEEP, reason, upload.created_at)
    used_at = upload.last_used_at or upload.created_at
    return Disposition(Action.MARK, reason, used_at) if upload.served else mark_after(CLOSED_KEPT, used_at, reason, now)


def _reason(upload: UploadRecord) -> str:
    if upload.project_deleted_at is not None:
        return "its project was deleted"
    if upload.is_reference:
        return "a reference image of a character"
    if upload.served:
        return "its run has ended, and the resulting version has a copy"
    return "its run failed and can be retried" if upload.last_used_at else "not used yet"
