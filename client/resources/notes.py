"""Notes about versions."""

from __future__ import annotations

from typing import Any

from client.models.notes import Note, NoteList
from client.resources.base import Resource, path


class Notes(Resource):
    async def of(self, version_id: str) -> list[Note]:
        """All notes about a version, in the order of their times."""
        return (await self._get(NoteList, path("versions", version_id, "notes"))).data

    async def get(self, note_id: str) -> Note:
        return await self._get(Note, path("notes", note_id))

    async def create(
        self,
        version_id: str,
        text: str,
        *,
        at: float | None = None,
        until: float | None = None,
        box: dict[str, float] | None = None,
        key: str | None = None,
    ) -> Note:
        """At a moment or, with `until`, over a part (seconds). `box`: x, y, width, height in shares of the picture."""
        body = {"text": text, "at": at, "until": until, "box": box}
        return await self._post(Note, path("versions", version_id, "notes"), body, key=key)

    async def update(self, note_id: str, changes: dict[str, Any], *, revision: int | str | None = "*") -> Note:
        return await self._change(Note, "PATCH", path("notes", note_id), changes, revision)

    async def resolve(self, note_id: str, resolved: bool = True) -> Note:
        """Mark it as done; False opens it again."""
        return await self._change(Note, "PATCH", path("notes", note_id), {"resolved": resolved}, "*")

    async def delete(self, note_id: str) -> None:
        await self._delete(path("notes", note_id))
