"""Members of a project and what each of their roles allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shared.contracts.values import Actor


class Role(StrEnum):
    """viewer reads, reviewer decides, editor creates and spends, owner cares for members and money."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    EDITOR = "editor"
    OWNER = "owner"

    def at_least(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


Resource = Literal[
    "project", "episode", "segment", "asset", "run", "version", "batch", "compilation", "import", "upload"
]


@dataclass(frozen=True)
class Caller:
    """Who asks, in which project, and what they may do there. `owner_id` is the project's owner."""

    user_id: str
    project_id: str
    owner_id: str
    role: Role

    @property
    def actor(self) -> Actor:
        return Actor(kind="user", user_id=self.user_id)
