"""Share links: one episode for whoever has the link, as viewer or reviewer, for a limited time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.gateway.domain.accounts import Role

GUEST: Final = "guest:"
"""The user id of a share's guests is this and the share's id. No token of anybody else may have such a subject."""
USUAL_LIFE: Final = timedelta(days=7)
LONGEST_LIFE: Final = timedelta(days=90)
MAX_SHARES: Final = 100  # of a project, that are neither over nor revoked


@dataclass(frozen=True)
class Share:
    """`label` names the guests, in reviews and notes."""

    share_id: str
    project_id: str
    episode_id: str
    role: Role
    label: str
    expires_at: datetime

    @property
    def guest(self) -> str:
        """The user id of its guests."""
        return GUEST + self.share_id


def is_guest(user_id: str) -> bool:
    return user_id.startswith(GUEST)
