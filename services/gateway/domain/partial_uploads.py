"""Files that are sent in parts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.gateway.domain.uploads import MIB
from shared.contracts.values import ObjectRef

PART_BYTES: Final = 16 * MIB
"""What a part should have: so much is sent again after a break at most."""
MOST_PART_BYTES: Final = 64 * MIB
KEPT: Final = timedelta(hours=24)
"""How long one is kept after its last part."""


@dataclass(frozen=True)
class PartialUpload:
    """`size` and `received` in bytes; `content_type`: by the first bytes, None before them; `upload_id`: what it has
    become."""

    partial_id: str
    project_id: str
    user_id: str
    filename: str
    size: int
    received: int
    content_type: str | None
    parts: tuple[ObjectRef, ...]
    upload_id: str | None
    expires_at: datetime
