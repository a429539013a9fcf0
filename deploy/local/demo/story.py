"""The demo's story: everything made, one segment rejected and made again, everything accepted, a film compiled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from client.api import AsyncRetake
from client.cli.codes import WorkFailed
from client.cli.preview import present
from client.cli.screen import Screen, transfer
from client.cli.session import Session
from client.live import Live
from client.models import Compilation, Episode, Kind, Review, Run, Version
from client.production import (
    Accept,
    Reject,
    check_pictures,
    compile_film,
    download_film,
    failures,
    import_document,
    make_all,
    upload_pictures,
)
from client.script.document import Document
from client.script.pictures import Photograph

AT_ONCE = 2
"""Segments made side by side: one per core of a small machine."""


@dataclass(frozen=True)
class Objection:
    """What the demo's reviewer does not like about one segment."""

    number: int
    reason: str
    change: str


@dataclass
class Told:
    """What happened, for the report and the checks. `seconds` by stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    rejected: Run | None = None
    remade: Run | None = None
    accepted: dict[int, Version] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0) + time.monotonic() - started, 2)


class Story:
    """Plays it on a running system."""

    def __init__(self, session: Session, client: AsyncRetake, objection: Objection) -> None:
        self._session = session
        self._client = client
        self._objection = objection
        self.told = Told()

    async def play(
        self, document: Document, pictures: dict[int, Photograph], target: Path
    ) -> tuple[Episode, Compilation]:
        """From photographs to the film's file. Raises WorkFailed if anything ends otherwise than it should."""
        with self.told.timed("import"):
            episode = await self._import(document, pictures)
        with Screen(self._session) as screen:
            async with Live(
                self._client, episode.project_id or "", episode,
                on_change=screen.update, on_connection=screen.connection,
            ) as live:  # fmt: skip
                screen.update(live.board, None)
                with self.told.timed("videos, narration, music"):
                    await self._make(live, screen, episode)
                with self.told.timed("compile"):
                    _, film = await compile_film(self._client, live)
        with self.told.timed("download"), transfer(self._session, target.name) as progress:
            await download_film(self._client, film, target, progress)
        return await self._client.episodes.get(episode.id), film

    async def _import(self, document: Document, pictures: dict[int, Photograph]) -> Episode:
        projects = await self._client.projects.all(1)
        project = projects[0] if projects else await self._client.projects.create("Demo")
        with transfer(self._session, "Uploading") as progress:
            document = await upload_pictures(self._client, project.id, document, pictures, progress)
        episode_id, warnings = await import_document(self._client, project.id, document)
        episode = await self._client.episodes.get(episode_id)
        check_pictures(episode, document, warnings)
        return episode

    async def _make(self, live: Live, screen: Screen, episode: Episode) -> None:
        async def decide(run: Run) -> Accept | Reject:
            with screen.paused():
                return self._decide(run, len(episode.segments))

        batch = await make_all(
            self._client, live, decide, on_review=self._reviewed, mode="parallel", batch_size=AT_ONCE
        )
        left = failures(batch)
        if batch.status != "completed" or batch.failed or left:
            raise WorkFailed("Not everything could be made:\n  " + ("\n  ".join(left) or batch.status))
        if self.told.rejected is None or self.told.remade is None:
            raise WorkFailed("No segment came back after it was rejected.")
        made = await self._client.episodes.get(episode.id)
        missing = [a.label or a.kind.words for a in made.assets if a.kind is not Kind.IMAGE and not a.committed]
        if missing:
            raise WorkFailed(f"Nothing is committed for: {', '.join(missing)}.")

    def _decide(self, run: Run, total: int) -> Accept | Reject:
        """The reviewer: rejects the first version of one segment, accepts everything else."""
        objection, first = self._objection, self.told.rejected is None
        if run.kind is Kind.VIDEO and run.segment_number == objection.number:
            present(self._session, run, total)
            if first:
                self.told.rejected = run
                self._session.line(f"  Rejected: {objection.reason}", style="magenta")
                self._session.line(f"  Suggested change: {objection.change}\n", style="magenta")
                return Reject(feedback=objection.reason, changes={"prompt_modifications": objection.change}, rating=2)
            self.told.remade = run
            self._compare()
        if run.segment_number and run.kind is Kind.VIDEO:
            self.told.accepted[run.segment_number] = run.versions[0]
        return Accept(rating=5)

    def _compare(self) -> None:
        """What the change has changed. Raises WorkFailed if the new version was not asked for what was suggested."""
        assert self.told.rejected
        assert self.told.remade
        before, after = self.told.rejected.versions[0], self.told.remade.versions[0]
        if self._objection.change not in (after.directions or ""):
            raise WorkFailed(f"The new version does not follow the suggested change: {after.directions!r}.")
        was, now = move_of(before), move_of(after)
        if was and now:
            self._session.line(f"  The camera's move was {was}; now it is {now}.\n", style="green")

    def _reviewed(self, run: Run, review: Review) -> None:
        if review.verdict == "accepted":
            self._session.line(f"✓ Segment {run.segment_number} accepted, 5 of 5", style="green")
        elif review.next_run_id:
            self._session.line(f"↻ Segment {run.segment_number} is made again", style="magenta")


def move_of(version: Version) -> str | None:
    """The camera's move as the model describes it, where it does."""
    found = (version.info or {}).get("move") or (version.info or {}).get("camera")
    return str(found) if found else None
