"""The notes about a version."""

from __future__ import annotations

from typing import Final

from services.gateway.api.schemas.notes import Note, NoteList
from services.gateway.domain.notes import Box, as_change
from services.gateway.queries.base import QueryBase, Row

_SELECT: Final = """
    select n.*, u.name as author, v.media ->> 'duration_s' is not null as timed
    from notes n join versions v using (version_id) left join users u on u.user_id = n.user_id
"""


class NoteQueries(QueryBase):
    async def note(self, note_id: str) -> Note:
        return _note(await self._one("note", _SELECT + "where n.note_id = $1", note_id))

    async def notes(self, version_id: str) -> NoteList:
        """All of them: a version has at most 200."""
        rows = await self._connection.fetch(_SELECT + "where n.version_id = $1 order by n.at, n.note_id", version_id)
        return NoteList(data=[_note(r) for r in rows], next_cursor=None)


def _note(row: Row) -> Note:
    change = as_change(row["text"], row["at"], row["until"], Box.of(row["box"]), timed=row["timed"])
    return Note(
        id=row["note_id"],
        project_id=row["project_id"],
        episode_id=row["episode_id"],
        asset_id=row["asset_id"],
        version_id=row["version_id"],
        at=row["at"],
        until=row["until"],
        text=row["text"],
        box=row["box"],
        change=change,
        user_id=row["user_id"],
        author=row["author"],
        resolved=row["resolved_at"] is not None,
        resolved_at=row["resolved_at"],
        resolved_by=row["resolved_by"],
        revision=row["revision"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
