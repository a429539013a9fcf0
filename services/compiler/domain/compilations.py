"""A compilation: one request for a film of an episode, from its admission to the finished film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.events.compiler import FilmReport, FilmState, FilmUpdated
from shared.contracts.events.gateway import CompileRequested, EpisodeChanged, PinnedMedia
from shared.contracts.values import Media, ObjectRef, Problem
from shared.messaging.events import Cause


@dataclass(frozen=True)
class Compilation:
    """A compilation's row after its last change. `rev` counts the changes; `progress` is in percent."""

    compilation_id: str
    episode_id: str
    rev: int
    state: FilmState
    progress: float
    cause: Cause

    def updated(self, message_code: str | None = None, problem: Problem | None = None) -> FilmUpdated:
        """The event that publishes this state."""
        return FilmUpdated(
            episode_id=self.episode_id,
            compilation_id=self.compilation_id,
            rev=self.rev,
            state=self.state,
            progress=self.progress,
            message_code=message_code,
            problem=problem,
        )


@dataclass(frozen=True)
class FilmResult:
    """A completed compilation: the film, its poster and the accompanying files, by name ("captions.vtt")."""

    object: ObjectRef
    poster: ObjectRef
    media: Media
    report: FilmReport
    warnings: tuple[str, ...]
    files: Mapping[str, ObjectRef]


@dataclass(frozen=True)
class EpisodeState:
    """An episode as rendering ahead sees it. `committed`: by asset id; `last`: its most recent compile request.

    `settled`: nothing has changed since the job was last postponed.
    """

    timeline: EpisodeChanged
    committed: Mapping[str, PinnedMedia]
    last: CompileRequested | None
    settled: bool
