"""URLs of media, built for each response: they change only when the media do, and open one object for one user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from services.gateway.domain.timestamps import rfc3339

PREFIX: Final = "/api/v1/media"


@dataclass(frozen=True)
class Links:
    """`sign(media, user_id, expires)` grants one object to one user; `expires` stays the same within a window."""

    origin: str
    user_id: str
    expires: int
    sign: Callable[[str, str, int], str]

    def committed(self, collection: str, object_id: str, rendition: str, updated_at: datetime) -> str:
        return self._url(f"{collection}/{object_id}/{rendition}", f"v={rfc3339(updated_at)}")

    def preview(self, object_id: str, rendition: str) -> str:
        """The URL of a version that waits for a decision."""
        return self._url(f"versions/{object_id}/{rendition}", f"preview={sha256(object_id.encode()).hexdigest()[:16]}")

    def _url(self, media: str, tag: str) -> str:
        signature = self.sign(media, self.user_id, self.expires)
        return f"{self.origin}{PREFIX}/{media}?{tag}&exp={self.expires}&sig={signature}"
