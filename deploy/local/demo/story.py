"""The demo's scenario: generate everything, reject one segment, accept its next version and the rest, compile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from client.api import AsyncRetake
from client.cli.exit_codes import WorkFailed
from client.cli.follow import watch_episode
from client.cli.preview import present
from client.cli.screen import Screen, transfer
from client.cli.session import Session
from client.episode_watcher import EpisodeWatcher
from client.film_workflow import (
    Accept,
    Reject,
    check_pictures,
    compile_film,
    download_film,
    failures,
    generate_missing,
    import_document,
    upload_pictures,
)
from client.models import AssetKind, Compilation, Episode, Review, Run, Version
from client.script.document import Document
from client.script.pictures import Photograph

PARALLEL_RUNS = 2
"""One per core of a small machine."""


@dataclass(frozen=True)
class Objection:
    """The demo reviewer's objection to one segment."""

    number: int
    reason: str
    change: str


@dataclass
class Record:
    """What happened, for the report and the checks. `seconds` has the duration of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    rejected: Run | None = None
    regenerated: Run | None = None
    accepted: dict[int, Version] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0) + time.monotonic() - started, 2)


class Story:
    """Runs the scenario on a running system. `record` says what happened."""

    def __init__(self, session: Session, client: AsyncRetake, objection: Objection) -> None:
        self._session = session
        self._client = client
        self._objection = objection
        self.record = Record()

    async def play(
        self, document: Document, pictures: dict[int, Photograph], target: Path
    ) -> tuple[Episode, Compilation]:
        """From photographs to the film's file. Raises WorkFailed if any step has an unexpected result."""
        with self.record.timed("import"):
            episode = await self._import(document, pictures)
        async with watch_episode(self._session, self._client, episode) as (watcher, screen):
            with self.record.timed("videos, narration, music"):
                await self._generate(watcher, screen, episode)
            with self.record.timed("compile"):
                _, film = await compile_film(self._client, watcher)
        with self.record.timed("download"), transfer(self._session, target.name) as on_progress:
            await download_film(self._client, film, target, on_progress)
        return await self._client.episodes.get(episode.id), film

    async def _import(self, document: Document, pictures: dict[int, Photograph]) -> Episode:
        projects = await self._client.projects.all(1)
        project = projects[0] if projects else await self._client.projects.create("Demo")
        with transfer(self._session, "Uploading") as on_progress:
            document = await upload_pictures(self._client, project.id, document, pictures, on_progress)
        episode_id, warnings = await import_document(self._client, project.id, document)
        episode = await self._client.episodes.get(episode_id)
        check_pictures(episode, document, warnings)
        return episode

    async def _generate(self, watcher: EpisodeWatcher, screen: Screen, episode: Episode) -> None:
        async def decide(run: Run) -> Accept | Reject:
            with screen.paused():
                return self._decide(run, len(episode.segments))

        batch = await generate_missing(
            self._client, watcher, decide, on_review=self._report_review, mode="parallel", batch_size=PARALLEL_RUNS
        )
        problems = failures(batch)
        if batch.status != "completed" or batch.failed or problems:
            raise WorkFailed("Some assets could not be generated:\n  " + ("\n  ".join(problems) or batch.status))
        if self.record.rejected is None or self.record.regenerated is None:
            raise WorkFailed("The rejected segment was not regenerated.")
        result = await self._client.episodes.get(episode.id)
        missing = [a.label or a.kind.words for a in result.assets if a.kind is not AssetKind.IMAGE and not a.committed]
        if missing:
            raise WorkFailed(f"No committed version of: {', '.join(missing)}.")

    def _decide(self, run: Run, total: int) -> Accept | Reject:
        """The reviewer: rejects the first version of one segment, accepts everything else."""
        objection, first = self._objection, self.record.rejected is None
        if run.kind is AssetKind.VIDEO and run.segment_number == objection.number:
            present(self._session, run, total)
            if first:
                self.record.rejected = run
                self._session.line(f"  Rejected: {objection.reason}", style="magenta")
                self._session.line(f"  Suggested change: {objection.change}\n", style="magenta")
                return Reject(feedback=objection.reason, changes={"prompt_modifications": objection.change}, rating=2)
            self.record.regenerated = run
            self._compare()
        if run.segment_number and run.kind is AssetKind.VIDEO:
            self.record.accepted[run.segment_number] = run.versions[0]
        return Accept(rating=5)

    def _compare(self) -> None:
        """Report the effect of the change. Raises WorkFailed if the new version does not have the suggested change."""
        assert self.record.rejected
        assert self.record.regenerated
        before, after = self.record.rejected.versions[0], self.record.regenerated.versions[0]
        if self._objection.change not in (after.directions or ""):
            raise WorkFailed(f"The new version does not follow the suggested change: {after.directions!r}.")
        old, new = move_of(before), move_of(after)
        if old and new:
            self._session.line(f"  Camera move before: {old}; now: {new}.\n", style="green")

    def _report_review(self, run: Run, review: Review) -> None:
        if review.verdict == "accepted":
            self._session.line(f"✓ Segment {run.segment_number} accepted, 5 of 5", style="green")
        elif review.next_run_id:
            self._session.line(f"↻ Regenerating segment {run.segment_number}", style="magenta")


def move_of(version: Version) -> str | None:
    """The camera move, if the model reports it."""
    found = (version.info or {}).get("move") or (version.info or {}).get("camera")
    return str(found) if found else None
