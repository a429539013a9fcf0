"""Register uploaded files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.gateway.commands.accounts import check_storage
from services.gateway.domain.accounts import Caller
from services.gateway.domain.uploads import Upload
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import ObjectRef


@dataclass(frozen=True)
class RegisterUpload:
    """A file that was received and stored: `object` is in the gateway's bucket, and its key contains the upload's id.
    Width and height in pixels, `duration` in seconds, frames per second."""

    upload_id: str
    filename: str
    content_type: str
    kind: Literal["image", "video", "audio"]
    object: ObjectRef
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    fps: float | None = None


async def register_upload(store: Store, caller: Caller, command: RegisterUpload) -> None:
    """Raises Refusal storage-full."""
    await check_storage(store, caller.project_id, command.object.size)
    upload = Upload(
        upload_id=command.upload_id,
        project_id=caller.project_id,
        filename=command.filename,
        content_type=command.content_type,
        kind=command.kind,
        object=command.object,
        user_id=caller.user_id,
        width=command.width,
        height=command.height,
        duration=command.duration,
        fps=command.fps,
    )
    await store.uploads.insert(upload, store.now())
