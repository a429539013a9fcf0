"""Episodes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.contracts.values import Output

MAX_SEGMENTS: Final = 500


@dataclass(frozen=True)
class Episode:
    episode_id: str
    project_id: str
    owner_id: str
    title: str
    description: str
    output: Output
    revision: int
    order_revision: int
    timeline_version: int
