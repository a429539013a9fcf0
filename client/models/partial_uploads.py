"""Files that are sent in parts."""

from __future__ import annotations

from datetime import datetime

from client.models.base import Resource
from client.models.uploads import Upload


class PartialUpload(Resource):
    """`size`, `received` and `part_size` in bytes; `upload`: what it has become."""

    filename: str | None = None
    size: int
    received: int
    part_size: int
    upload: Upload | None = None
    expires_at: datetime | None = None
