"""Notes about versions."""

from __future__ import annotations

from datetime import datetime

from client.models.base import Model, Resource


class Box(Model):
    """A rectangle of the picture, in shares (0-1) of its width and height from the top left."""

    x: float
    y: float
    width: float
    height: float


class Note(Resource):
    """What a person says about a moment or a part of a version. Times in seconds; `change`: the note as a line of
    suggested changes."""

    version_id: str | None = None
    at: float = 0
    until: float | None = None
    text: str = ""
    box: Box | None = None
    change: str = ""
    user_id: str | None = None
    author: str | None = None
    resolved: bool = False
    resolved_at: datetime | None = None
    resolved_by: str | None = None


class NoteList(Model):
    data: list[Note]
