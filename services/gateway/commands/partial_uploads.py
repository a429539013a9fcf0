"""Receive a file in parts: begin it, add to it, and turn it into an upload."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.commands.accounts import authorize, check_storage
from services.gateway.commands.uploads import RegisterUpload, register_upload
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import invalid_state, not_found
from services.gateway.domain.partial_uploads import PartialUpload
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import message
from shared.contracts.values import ObjectRef


@dataclass(frozen=True)
class BeginPartialUpload:
    """`size` in bytes."""

    filename: str
    size: int


async def begin_partial_upload(store: Store, caller: Caller, command: BeginPartialUpload) -> str:
    """Returns its id. The whole file counts as stored from now on. Raises Refusal storage-full."""
    await check_storage(store, caller.project_id, command.size)
    partial_id = store.new_id()
    await store.partial_uploads.insert(
        partial_id, caller.project_id, caller.user_id, command.filename, command.size, store.now()
    )
    return partial_id


async def own_partial_upload(store: Store, user_id: str, partial_id: str) -> tuple[Caller, PartialUpload]:
    """Raises Refusal not-found (also of somebody else), forbidden."""
    caller = await authorize(store, user_id, "partial upload", partial_id, Role.EDITOR)
    found = await store.partial_uploads.get(partial_id)
    if found is None or found.user_id != user_id or found.expires_at <= store.now():
        raise not_found("partial upload")
    return caller, found


def check_offset(partial: PartialUpload, offset: int) -> None:
    """Raises Refusal invalid-state with the offset to go on from."""
    if offset != partial.received:
        recovery = message("problem.partial_upload_offset.recovery", offset=partial.received)
        raise invalid_state("partial upload", str(partial.received), [str(partial.received)], recovery)


async def append_part(
    store: Store, user_id: str, partial_id: str, offset: int, part: ObjectRef, content_type: str | None
) -> PartialUpload:
    """Raises Refusal not-found, forbidden, invalid-state (another part was first)."""
    appended = await store.partial_uploads.append(partial_id, offset, part, content_type, store.now())
    if appended is None:
        _, now = await own_partial_upload(store, user_id, partial_id)
        check_offset(now, offset)
        raise not_found("partial upload")
    return appended


async def complete_partial_upload(store: Store, caller: Caller, partial_id: str, command: RegisterUpload) -> bool:
    """False: it was completed before, and nothing has changed. Raises Refusal storage-full."""
    if not await store.partial_uploads.complete(partial_id, command.upload_id, store.now()):
        return False
    await register_upload(store, caller, command)
    return True
