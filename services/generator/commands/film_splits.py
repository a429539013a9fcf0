"""The splitting of an imported film, as a job: scenes are detected, clips are cut, stored and published.

The scene changes and every clip are stored as soon as they are known, and the next attempt after a crash continues from
there. Every write is fenced by the attempt's token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from services.generator.commands.progress import ImportProgress
from services.generator.domain.attempts import Attempt
from services.generator.domain.backoff import retry_delay
from services.generator.domain.film_splits import DEFAULT_THRESHOLD, SceneChange, SplitPlan, plan_split
from services.generator.domain.imports import (
    FilmImport,
    ImportState,
    import_failed,
    import_progress,
    import_ready,
)
from services.generator.domain.problems import input_missing, problem_of, unexpected, worker_lost
from services.generator.media.film.cutter import ClipFiles, FilmCutter, OpenedFilm
from services.generator.media.scratch import ScratchFolders
from services.generator.providers.base import OnProgress
from services.generator.store.imports import FilmSplitRepository, SplitUnit
from shared.contracts.events.generator import ImportClip
from shared.core.clock import Clock
from shared.core.errors import Fenced, Permanent, RetakeError, Retryable
from shared.objects import Objects
from shared.observability.tracing import span

log = structlog.get_logger(__name__)

MAX_CLAIMS: Final = 6  # a film that crashes its worker every time must not do so for ever
CLIPS_PER_PASS: Final = 8  # over the film, and in one transaction
OPENED, SCANNED = 10.0, 40.0  # percent at which the film can be cut, and its scenes are known


@dataclass(frozen=True)
class FilmSplitter:
    """The worker of imports. `unit` opens a transaction; `random` returns 0 to 1."""

    unit: SplitUnit
    cutter: FilmCutter
    objects: Objects
    scratch: ScratchFolders
    clock: Clock
    random: Callable[[], float]
    max_attempts: int = 4

    async def split(self, attempt: Attempt) -> None:
        """Ends the job, or reschedules it for another attempt. Raises Fenced if the import belongs to another one."""
        film = await self._begin(attempt)
        if film is None:
            return
        with span("import", import_id=film.import_id, correlation_id=film.cause.correlation_id):
            log.info("import.attempt", attempt=attempt.number)
            try:
                await self._work(film, attempt)
            except Fenced:
                raise
            except RetakeError as e:
                await self._handle_error(film, attempt, e)
            except Exception:
                log.exception("import.unexpected")
                await self._handle_error(film, attempt, unexpected())

    async def _begin(self, attempt: Attempt) -> FilmImport | None:
        async with self.unit() as store:
            film = await store.begin(attempt, self.clock.now())
            if film is None:  # cancelled or ended meanwhile
                await store.finish_job(attempt)
                return None
            await store.publish(film.cause, import_progress(film, percent=0, code="import.scanning"))
        if attempt.number > MAX_CLAIMS:
            await self._handle_error(film, attempt, worker_lost(attempt.number - 1))
            return None
        return film

    async def _work(self, film: FilmImport, attempt: Attempt) -> None:
        async with self.scratch.folder(film.import_id) as work:
            source = work / "film"
            await self._fetch(film, source)
            async with self.unit() as store:
                earlier = await store.load_progress(film.import_id)
            progress = ImportProgress(lambda percent: self._report(film, attempt, "scanning", percent), self.clock)
            async with progress:
                opened = await self.cutter.open(source, work, progress.step(0.0, OPENED))
                changes = earlier.changes
                if changes is None:
                    changes = await self._scan(film, attempt, opened, work, progress.step(OPENED, SCANNED))
            plan = plan_split(opened.timeline, changes)
            clips = await self._cut(film, attempt, opened, plan, earlier.clips, work)
        async with self.unit() as store:
            ended = await store.end(film.import_id, ImportState.READY, self.clock.now(), attempt=attempt)
            if ended is None:
                raise Fenced(film.import_id)
            await store.finish_job(attempt)
            await store.publish(film.cause, import_ready(ended, clips, _warnings(plan)))
        log.info("import.ready", clips=len(clips), copied=sum(1 for s in plan.spans if s.copied))

    async def _fetch(self, film: FilmImport, path: Path) -> None:
        source = film.request.object
        try:
            await self.objects.of(source.bucket).fetch(source, path)
        except Permanent as e:
            if e.code == "object_missing":
                raise input_missing() from e
            raise

    async def _scan(
        self, film: FilmImport, attempt: Attempt, opened: OpenedFilm, work: Path, on_progress: OnProgress
    ) -> list[SceneChange]:
        requested = film.request.scene_threshold
        threshold = DEFAULT_THRESHOLD if requested is None else requested
        changes = await self.cutter.find_scene_changes(opened, threshold, work, on_progress)
        async with self.unit() as store:
            await store.store_scene_changes(attempt, changes)
        return changes

    async def _cut(
        self,
        film: FilmImport,
        attempt: Attempt,
        opened: OpenedFilm,
        plan: SplitPlan,
        stored: Sequence[ImportClip],
        work: Path,
    ) -> list[ImportClip]:
        clips = {clip.number: clip for clip in stored}
        missing = [span for span in plan.spans if span.number not in clips]
        total = len(plan.spans)
        for start in range(0, len(missing), CLIPS_PER_PASS):
            spans = missing[start : start + CLIPS_PER_PASS]
            number = spans[0].number
            percent = SCANNED + (100 - SCANNED) * (number - 1) / total
            await self._report(film, attempt, "cutting", percent, {"number": number, "total": total})
            folder = work / "clips"
            folder.mkdir(exist_ok=True)
            files = await self.cutter.cut(opened, spans, folder)
            stored_now = [await self._store(film, attempt, clip) for clip in files]
            async with self.unit() as store:
                await store.store_clips(attempt, stored_now)
            clips |= {clip.number: clip for clip in stored_now}
        return [clips[number] for number in sorted(clips)]

    async def _store(self, film: FilmImport, attempt: Attempt, clip: ClipFiles) -> ImportClip:
        """The keys name the attempt: the encoder of another attempt may have written other bytes."""
        span = clip.span
        key = f"imports/{film.import_id}/{attempt.token}/{span.number:04d}"
        return ImportClip(
            number=span.number,
            start_s=round(span.start_s, 6),
            duration_s=round(span.duration_s, 6),
            video=await self.objects.own.put_file(f"{key}.mp4", clip.video, "video/mp4", move=True),
            first_frame=await self.objects.own.put_file(f"{key}.jpg", clip.first_frame, "image/jpeg", move=True),
        )

    async def _report(
        self, film: FilmImport, attempt: Attempt, step: str, percent: float, args: dict[str, int] | None = None
    ) -> None:
        """Raises Fenced, so that work on a film that belongs to another attempt stops."""
        async with self.unit() as store:
            updated = await store.record_progress(attempt, step, self.clock.now())
            if updated is None:
                raise Fenced(film.import_id)
            await store.publish(
                film.cause,
                import_progress(updated, percent=round(percent, 1), code=f"import.{step}", args=dict(args or {})),
            )

    async def _handle_error(self, film: FilmImport, attempt: Attempt, error: RetakeError) -> None:
        """Reschedules the import for another attempt, or ends it."""
        log.warning("import.attempt_failed", attempt=attempt.number, code=error.code, cause=error.cause)
        async with self.unit() as store:
            if isinstance(error, Retryable) and film.failures + 1 < self.max_attempts:
                await self._postpone(store, film, attempt, error)
            else:
                await self._fail(store, film, attempt, error)

    async def _postpone(self, store: FilmSplitRepository, film: FilmImport, attempt: Attempt, error: Retryable) -> None:
        number = film.failures + 2
        delay_s = retry_delay(number, random=self.random(), requested_s=error.delay_s)
        updated = await store.postpone(attempt, self.clock.now() + timedelta(seconds=delay_s))
        if updated is None:
            raise Fenced(film.import_id)
        args = {"attempt": number, "attempts": self.max_attempts, "delay_s": round(delay_s), "cause": error.cause}
        await store.publish(film.cause, import_progress(updated, percent=0, code="import.retrying", args=args))

    async def _fail(self, store: FilmSplitRepository, film: FilmImport, attempt: Attempt, error: RetakeError) -> None:
        problem = problem_of(error)
        ended = await store.end(film.import_id, ImportState.FAILED, self.clock.now(), problem=problem, attempt=attempt)
        if ended is None:
            raise Fenced(film.import_id)
        await store.finish_job(attempt)
        await store.publish(film.cause, import_failed(ended, problem))


def _warnings(plan: SplitPlan) -> list[str]:
    if not plan.left_out:
        return []
    return [f"{plan.left_out} scene changes exceed the limit of segments in an episode; the weakest were ignored."]
