"""Members of a project, and what each of their roles allows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol, TypeVar

from services.gateway.domain.errors import not_found
from shared.contracts.values import Actor


class InProject(Protocol):
    """Anything that belongs to a project."""

    @property
    def project_id(self) -> str: ...


T = TypeVar("T", bound=InProject)

Resource = Literal[
    "project",
    "episode",
    "segment",
    "deleted segment",
    "asset",
    "run",
    "version",
    "batch",
    "compilation",
    "import",
    "upload",
    "partial upload",
    "note",
]
"""What a request may name by its id; access to it follows from its project. A `deleted segment` may have been restored
by now."""


class Role(StrEnum):
    """Lowest first: a viewer reads, a reviewer decides, an editor creates and spends, an owner manages members and
    money."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    EDITOR = "editor"
    OWNER = "owner"

    def at_least(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Caller:
    """The user who sent a command, with their role in the project that it concerns. `owner_id` is the project's.
    `until`: when their access ends by itself; None: when somebody ends it."""

    user_id: str
    project_id: str
    owner_id: str
    role: Role
    until: datetime | None = None

    @property
    def actor(self) -> Actor:
        return Actor(kind="user", user_id=self.user_id)

    def owned(self, found: T | None, what: str) -> T:
        """`found`, if it belongs to the caller's project. Raises Refusal not-found if it does not, or is absent."""
        if found is None or found.project_id != self.project_id:
            raise not_found(what)
        return found
