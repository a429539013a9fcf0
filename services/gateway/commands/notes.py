"""Write, change, resolve and delete notes about versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.stream_events import changed_event
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import Refusal, check_revision
from services.gateway.domain.notes import MAX_NOTES, Box, Note, check_author, check_note
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import problem_text


@dataclass(frozen=True)
class WriteNote:
    """`at` and `until` in seconds from the version's start."""

    version_id: str
    text: str
    at: float = 0
    until: float | None = None
    box: Box | None = None


async def write_note(store: Store, caller: Caller, command: WriteNote) -> str:
    """Returns the note's id. Raises Refusal not-found, invalid, invalid-state (the version has as many as it may)."""
    version = caller.owned(await store.versions.get(command.version_id), "version")
    check_note(version.kind, version.duration_s, command.at, command.until, command.box)
    if await store.notes.lock_count(version.version_id) >= MAX_NOTES:
        text = problem_text("too_many_notes", limit=MAX_NOTES)
        raise Refusal("invalid-state", *text, current="full", allowed=[f"fewer than {MAX_NOTES} notes"])
    note = Note(
        note_id=store.new_id(),
        project_id=version.project_id,
        episode_id=version.episode_id,
        asset_id=version.asset_id,
        version_id=version.version_id,
        at=command.at,
        until=command.until,
        text=command.text,
        box=command.box,
        user_id=caller.user_id,
        resolved_at=None,
        revision=1,
    )
    await store.notes.insert(note, store.now())
    await _log(store, caller, note)
    return note.note_id


async def change_note(
    store: Store, caller: Caller, note_id: str, revision: int | None, changes: Mapping[str, Any]
) -> None:
    """`changes`: at, until, text, box, resolved. Only who wrote a note changes it; every reviewer resolves it.

    Raises Refusal not-found, stale, forbidden, invalid.
    """
    note = caller.owned(await store.notes.lock(note_id), "note")
    check_revision(revision, note.revision)
    sent = dict(changes)
    fields: dict[str, Any] = {}
    if "resolved" in sent:
        resolved, now = sent.pop("resolved"), store.now()
        fields |= {"resolved_at": now, "resolved_by": caller.user_id} if resolved else _REOPENED
    if sent:
        check_author(note, caller.user_id, overrules=False)
        version = caller.owned(await store.versions.get(note.version_id), "version")
        at, until = sent.get("at", note.at), sent.get("until", note.until)
        box = Box.of(sent["box"]) if "box" in sent else note.box
        check_note(version.kind, version.duration_s, at, until, box)
        fields |= sent
    if fields:
        await store.notes.save(note_id, store.now(), revision=note.revision + 1, **fields)
        await _log(store, caller, note)


_REOPENED: Mapping[str, None] = {"resolved_at": None, "resolved_by": None}


async def delete_note(store: Store, caller: Caller, note_id: str) -> None:
    """By who wrote it, or by an owner. Raises Refusal not-found, forbidden."""
    note = caller.owned(await store.notes.lock(note_id), "note")
    check_author(note, caller.user_id, overrules=caller.role.at_least(Role.OWNER))
    await store.notes.delete(note_id)
    await _log(store, caller, note, deleted=True)


async def _log(store: Store, caller: Caller, note: Note, *, deleted: bool = False) -> None:
    await store.log(
        changed_event(
            caller,
            note.episode_id,
            "note",
            note.note_id,
            store.now(),
            deleted=deleted,
            version_id=note.version_id,
        )
    )
