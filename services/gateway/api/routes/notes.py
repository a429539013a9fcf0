"""Notes about versions: list, write, change, resolve, delete."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.context import Snapshot, UnitOfWork
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, answers
from services.gateway.api.headers import IfMatch, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import NoteId, VersionId
from services.gateway.api.responses import NO_CONTENT, Result, changed, created, json_response, with_etag
from services.gateway.api.schemas.notes import NewNote, Note, NoteChanges, NoteList
from services.gateway.api.transactions import transactional
from services.gateway.commands.notes import WriteNote, change_note, delete_note, write_note
from services.gateway.domain.accounts import Role
from services.gateway.domain.notes import Box
from services.gateway.domain.problems import Slug

router = APIRouter(tags=["runs"], dependencies=[Depends(json_only)])


@router.get("/versions/{version_id}/notes", **answers(NoteList), summary="List the notes about a version")
async def notes(version_id: VersionId, work: Snapshot) -> Response:
    """All of them (at most 200), in the order of their times. `next_cursor` is always null."""
    await work.require_role("version", version_id, Role.VIEWER)
    return json_response(await work.queries.notes(version_id))


@router.post(
    "/versions/{version_id}/notes",
    **answers(Note, *WITH_BODY, *POST, Slug.INVALID_STATE, status=201, headers=("ETag",)),
    summary="Write a note about a version (reviewer)",
)
@idempotent()
async def write(version_id: VersionId, body: NewNote, work: UnitOfWork) -> Result:
    """At a moment or over a part, about all of the picture or a box in it. A version has at most 200 notes."""
    caller = await work.require_role("version", version_id, Role.REVIEWER)
    box = Box(**body.box.model_dump()) if body.box else None
    note_id = await write_note(work.store, caller, WriteNote(version_id, body.text, body.at, body.until, box))
    return created(await work.queries.note(note_id), f"/notes/{note_id}")


@router.get("/notes/{note_id}", **answers(Note, headers=("ETag",)), summary="Get a note")
async def note(note_id: NoteId, work: Snapshot) -> Response:
    """One note about a version."""
    await work.require_role("note", note_id, Role.VIEWER)
    return with_etag(await work.queries.note(note_id))


@router.patch(
    "/notes/{note_id}",
    **answers(Note, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    summary="Change or resolve a note (reviewer)",
)
@transactional
async def change(note_id: NoteId, body: NoteChanges, revision: IfMatch, work: UnitOfWork) -> Result:
    """Only who wrote it changes its text, times and box; every reviewer may resolve it."""
    caller = await work.require_role("note", note_id, Role.REVIEWER)
    await change_note(work.store, caller, note_id, revision, body.sent())
    return changed(await work.queries.note(note_id))


@router.delete(
    "/notes/{note_id}", **answers(None, status=204, description="Deleted."), summary="Delete a note (reviewer)"
)
@transactional
async def delete(note_id: NoteId, work: UnitOfWork) -> Result:
    """By who wrote it, or by an owner."""
    await delete_note(work.store, await work.require_role("note", note_id, Role.REVIEWER), note_id)
    return NO_CONTENT
