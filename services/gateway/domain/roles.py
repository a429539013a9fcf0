"""Roles of a project's members, lowest first."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """viewer reads, reviewer decides, editor creates and spends, owner cares for members and money."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    EDITOR = "editor"
    OWNER = "owner"

    def at_least(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)
