"""Imports of documents and of films."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.values import Actor


@dataclass(frozen=True)
class Import:
    import_id: str
    project_id: str
    owner_id: str
    episode_id: str
    source: str
    status: str
    run_rev: int
    actor: Actor
    warnings: tuple[str, ...] = ()
    percent: float = 0
    clips_taken: bool = False
    upload_id: str | None = None  # of a film
