"""Imports of documents and of films."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.values import Actor


@dataclass(frozen=True)
class Import:
    """`source`: document or film. `status`: pending, processing, completed, failed or cancelled. `run_rev`: revision of
    the generator's last report. `clips_taken`: the film was split and its segments were created."""

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
    upload_id: str | None = None  # the film's
