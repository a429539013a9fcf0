"""The import of a film as it is stored, and its events."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from shared.contracts.events.gateway import ImportRequested
from shared.contracts.events.generator import Failed, ImportClip, ImportReady, Progress
from shared.contracts.messages import problem_text
from shared.contracts.values import Cost, Problem
from shared.core.errors import UserError
from shared.messaging.events import Cause

SPLIT: Final = "split"
"""The kind of job that splits a film. The job's id is the import's."""

NOTHING_SPENT: Final = Cost(amount="0", basis="reported")


class ImportState(StrEnum):
    """An import ends in exactly one of the last three."""

    QUEUED = "queued"
    SPLITTING = "splitting"
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"


WORKING: Final = frozenset({ImportState.QUEUED, ImportState.SPLITTING})


@dataclass(frozen=True)
class FilmImport:
    """One row. `request` is the command that started it; `cause` is copied to its events."""

    request: ImportRequested
    cause: Cause
    state: ImportState
    rev: int
    attempt: int
    failures: int
    step: str

    @property
    def import_id(self) -> str:
        return self.request.import_id


def import_progress(film: FilmImport, *, percent: float, code: str, args: dict[str, Any] | None = None) -> Progress:
    state: Literal["queued", "generating"] = "queued" if film.state is ImportState.QUEUED else "generating"
    return Progress(
        episode_id=film.request.episode_id,
        import_id=film.import_id,
        run_rev=film.rev,
        state=state,
        step=film.step,
        percent=percent,
        message_code=code,
        message_args=args or {},
        attempt=max(1, film.attempt),
    )


def import_failed(film: FilmImport, problem: Problem) -> Failed:
    outcome: Literal["failed", "cancelled"] = "cancelled" if film.state is ImportState.CANCELLED else "failed"
    return Failed(
        episode_id=film.request.episode_id,
        import_id=film.import_id,
        run_rev=film.rev,
        outcome=outcome,
        step=film.step,
        problem=problem,
        attempts=film.attempt,
        cost=NOTHING_SPENT,
    )


def import_ready(film: FilmImport, clips: list[ImportClip], warnings: list[str]) -> ImportReady:
    return ImportReady(import_id=film.import_id, episode_id=film.request.episode_id, clips=clips, warnings=warnings)


def import_cancelled() -> UserError:
    return UserError("cancelled", *problem_text("import_cancelled"))
