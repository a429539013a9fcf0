"""The split of a film, as a job: scanned for cuts, cut into clips, clips stored and told. Resumes after a crash.

What is known is stored as soon as it is: where the picture changes, and every clip that is in the object store. An
attempt after a crash goes on from there. Every write is fenced by the attempt's token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from services.generator.commands.import_ports import Clip, Cutter, Film, Splits, SplitUnit
from services.generator.commands.ports import Attempt, Scratch, Share
from services.generator.commands.tell_import import Telling
from services.generator.domain.backoff import delay_before
from services.generator.domain.film_cuts import DEFAULT_THRESHOLD, Change, Cutting, Span, cut
from services.generator.domain.imports import (
    FilmImport,
    ImportState,
    import_failed,
    import_progress,
    import_ready,
)
from services.generator.domain.problems import input_missing, problem_of, worker_lost
from shared.contracts.events.generator import ImportClip
from shared.core.clock import Clock
from shared.core.errors import Fenced, Permanent, RetakeError, Retryable
from shared.objects import Objects
from shared.observability.tracing import span

log = structlog.get_logger(__name__)

CLAIMS_MOST: Final = 6  # a film that kills its worker every time must not do so for ever
AT_ONCE: Final = 8  # clips of one pass over the film, and of one transaction
OPENED, SCANNED = 10.0, 40.0  # percent at which the film is in shape, and its cuts are known


@dataclass(frozen=True)
class SplitFilm:
    unit: SplitUnit
    cutter: Cutter
    objects: Objects
    scratch: Scratch
    clock: Clock
    random: Callable[[], float]
    max_attempts: int = 4

    async def __call__(self, attempt: Attempt) -> None:
        """Ends the job, or gives it back for another attempt. Raises Fenced when it is no longer ours."""
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
                await self._after(film, attempt, e)
            except Exception as e:
                log.exception("import.unexpected")
                await self._after(film, attempt, Retryable("unexpected", f"{type(e).__name__}: {e}"))

    async def _begin(self, attempt: Attempt) -> FilmImport | None:
        async with self.unit() as store:
            film = await store.begin(attempt, self.clock.now())
            if film is None:  # cancelled or ended since
                await store.finish(attempt)
                return None
            await store.publish(film.cause, import_progress(film, percent=0, code="import.scanning"))
        if attempt.number > CLAIMS_MOST:
            await self._after(film, attempt, worker_lost(attempt.number - 1))
            return None
        return film

    async def _work(self, film: FilmImport, attempt: Attempt) -> None:
        async with self.scratch.folder(film.import_id) as work:
            source = work / "film"
            await self._fetch(film, source)
            async with self.unit() as store:
                before = await store.progressed(film.import_id)
            async with Telling(lambda percent: self._tell(film, attempt, "scanning", percent), self.clock) as telling:
                opened = await self.cutter.open(source, work, telling.share(0.0, OPENED))
                changes = before.changes
                if changes is None:
                    changes = await self._scan(film, attempt, opened, work, telling.share(OPENED, SCANNED))
            cutting = cut(opened.track, changes)
            clips = await self._clips(film, attempt, opened, cutting, before.clips, work)
        async with self.unit() as store:
            ended = await store.end(film.import_id, ImportState.READY, self.clock.now(), attempt=attempt)
            if ended is None:
                raise Fenced(film.import_id)
            await store.finish(attempt)
            await store.publish(film.cause, import_ready(ended, clips, _warnings(cutting)))
        log.info("import.ready", clips=len(clips), copied=sum(1 for s in cutting.spans if s.copied))

    async def _fetch(self, film: FilmImport, path: Path) -> None:
        wanted = film.request.object
        try:
            await self.objects.of(wanted.bucket).fetch(wanted, path)
        except Permanent as e:
            if e.code == "object_missing":
                raise input_missing() from e
            raise

    async def _scan(self, film: FilmImport, attempt: Attempt, opened: Film, work: Path, share: Share) -> list[Change]:
        asked = film.request.scene_threshold
        threshold = DEFAULT_THRESHOLD if asked is None else asked
        changes = await self.cutter.scan(opened, threshold, work, share)
        async with self.unit() as store:
            await store.scanned(attempt, changes)
        return changes

    async def _clips(
        self,
        film: FilmImport,
        attempt: Attempt,
        opened: Film,
        cutting: Cutting,
        stored: Sequence[ImportClip],
        work: Path,
    ) -> list[ImportClip]:
        clips = {clip.number: clip for clip in stored}
        missing = [span for span in cutting.spans if span.number not in clips]
        of = len(cutting.spans)
        for some in (missing[i : i + AT_ONCE] for i in range(0, len(missing), AT_ONCE)):
            percent = SCANNED + (100 - SCANNED) * (some[0].number - 1) / of
            await self._tell(film, attempt, "cutting", percent, {"number": some[0].number, "total": of})
            folder = work / "clips"
            folder.mkdir(exist_ok=True)
            made = [await self._store(film, attempt, clip) for clip in await self.cutter.make(opened, some, folder)]
            async with self.unit() as store:
                await store.keep(attempt, made)
            clips |= {clip.number: clip for clip in made}
        return [clips[number] for number in sorted(clips)]

    async def _store(self, film: FilmImport, attempt: Attempt, clip: Clip) -> ImportClip:
        """Under the attempt's own name: another attempt's encoder may have chosen other bytes."""
        span: Span = clip.span
        key = f"imports/{film.import_id}/{attempt.token}/{span.number:04d}"
        return ImportClip(
            number=span.number,
            start_s=round(span.start_s, 6),
            duration_s=round(span.duration_s, 6),
            video=await self.objects.own.put_file(f"{key}.mp4", clip.video, "video/mp4", move=True),
            first_frame=await self.objects.own.put_file(f"{key}.jpg", clip.first_frame, "image/jpeg", move=True),
        )

    async def _tell(
        self, film: FilmImport, attempt: Attempt, step: str, percent: float, args: dict[str, int] | None = None
    ) -> None:
        """Raises Fenced: whoever works on a film that is no longer ours should stop."""
        async with self.unit() as store:
            now = await store.advance(attempt, step, self.clock.now())
            if now is None:
                raise Fenced(film.import_id)
            await store.publish(
                film.cause,
                import_progress(now, percent=round(percent, 1), code=f"import.{step}", args=dict(args or {})),
            )

    async def _after(self, film: FilmImport, attempt: Attempt, error: RetakeError) -> None:
        """What follows a failure: another attempt later, or the end."""
        log.warning("import.attempt_failed", attempt=attempt.number, code=error.code, cause=error.cause)
        async with self.unit() as store:
            if isinstance(error, Retryable) and film.failures + 1 < self.max_attempts:
                await self._postpone(store, film, attempt, error)
            else:
                await self._fail(store, film, attempt, error)

    async def _postpone(self, store: Splits, film: FilmImport, attempt: Attempt, error: Retryable) -> None:
        number = film.failures + 2
        delay_s = delay_before(number, random=self.random(), asked_s=error.delay_s)
        now = await store.postpone(attempt, self.clock.now() + timedelta(seconds=delay_s))
        if now is None:
            raise Fenced(film.import_id)
        args = {"attempt": number, "attempts": self.max_attempts, "delay_s": round(delay_s), "cause": error.cause}
        await store.publish(film.cause, import_progress(now, percent=0, code="import.retrying", args=args))

    async def _fail(self, store: Splits, film: FilmImport, attempt: Attempt, error: RetakeError) -> None:
        problem = problem_of(error)
        ended = await store.end(film.import_id, ImportState.FAILED, self.clock.now(), problem=problem, attempt=attempt)
        if ended is None:
            raise Fenced(film.import_id)
        await store.finish(attempt)
        await store.publish(film.cause, import_failed(ended, problem))


def _warnings(cutting: Cutting) -> list[str]:
    if not cutting.left_out:
        return []
    return [f"{cutting.left_out} more scene cuts than an episode can have segments: the weakest were left out."]
