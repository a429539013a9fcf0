"""Register uploaded files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from services.gateway.domain.accounts import Caller
from services.gateway.domain.uploads import Upload
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import ObjectRef


@dataclass(frozen=True)
class RegisterUpload:
    """`object` is in the gateway's bucket, its key contains the upload's id. `duration` in seconds."""

    upload_id: str
    filename: str
    content_type: str
    kind: Literal["image", "video", "audio"]
    object: ObjectRef
    width: int | None = None
    height: int | None = None
    duration: float | None = None


async def register_upload(store: Store, caller: Caller, command: RegisterUpload) -> None:
    c = command
    await store.uploads.insert(
        Upload(
            c.upload_id,
            caller.project_id,
            c.filename,
            c.content_type,
            c.kind,
            c.object,
            caller.user_id,
            c.width,
            c.height,
            c.duration,
        ),
        store.now(),
    )
