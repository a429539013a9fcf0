"""Projects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Project:
    project_id: str
    owner_id: str
    name: str
    description: str
    settings: dict[str, Any]
    settings_revision: int
    revision: int
