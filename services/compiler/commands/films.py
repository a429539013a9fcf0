"""A compilation's job: obtain every piece, join them, store the film, tell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import gcd
from typing import Final

from services.compiler.commands.assembly import draw_captions, gather_clips, gather_sound, gather_windows, undrawn
from services.compiler.commands.describe_timeline import describe_timeline, left_out
from services.compiler.commands.estimates import look
from services.compiler.commands.pieces import Obtainer, first_failure
from services.compiler.commands.ports import FilmJob, Pictures, PieceBook, Progress, Result, Track, Workshop
from services.compiler.planning.film_order import Order, order_of
from services.compiler.planning.pieces import Piece, poster_recipe
from services.compiler.planning.render_speed import Meter, Pace, join_units
from services.compiler.planning.subtitles import to_srt, to_vtt
from shared.contracts.events.compiler import Chapter, FilmReport
from shared.contracts.events.gateway import CompileRequested
from shared.contracts.values import CaptionMode, Media, ObjectRef, Output, Problem
from shared.core.clock import Clock
from shared.core.errors import RetakeError, disk_full_is_retryable

REPORT_EVERY_S: Final = 0.5
MOST_ATTEMPTS: Final = 5  # claims of one job: a worker that dies each time it touches a film must not go on for ever
MOST_FAILURES: Final = 2  # one retry
RETRY_AFTER_S: Final = 1.0


@dataclass
class _Stage:
    code: str


async def make_film(
    job: FilmJob,
    book: PieceBook,
    workshop: Workshop,
    pace: Pace,
    clock: Clock,
    *,
    attempt: int,
    failures: int,
    at_once: int,
) -> None:
    """Ends the job in one of: completed, failed, given back for one more try. Cancelled, it leaves all as it is."""
    if attempt > MOST_ATTEMPTS:
        await job.fail(_crashing())
        return
    try:
        with disk_full_is_retryable():
            result = await _make(job, book, workshop, pace, clock, at_once)
        await job.complete(result, clock.now())
    except RetakeError as error:
        if error.code == "fenced":
            raise
        if error.retryable and failures + 1 < MOST_FAILURES:
            await job.again(RETRY_AFTER_S)
        else:
            await job.fail(_problem(error))


async def _make(job: FilmJob, book: PieceBook, workshop: Workshop, pace: Pace, clock: Clock, at_once: int) -> Result:
    began = clock.monotonic()
    order = order_of(job.request)
    meter = Meter(1.0)
    obtainer = Obtainer(book, workshop, clock, pace, meter, at_once=at_once)
    stage = _Stage("compile.started")
    work = await look(order, obtainer)
    meter.expect(work.total)
    await job.report(meter.percent, stage.code, work.until_ready(at_once))
    async with _reporting(job, meter, stage, clock):
        pictures, track, poster = await _gathered(order, obtainer, stage)
        stage.code = "compile.joining"
        joins = join_units(pictures.plan.frames / order.output.fps)
        join_s = pace.seconds("join", joins)
        meter.expect(join_s)
        joining = clock.monotonic()
        # The thread that writes the film is mostly in the kernel: the texts beside it are made meanwhile.
        advance = partial(meter.advance, "join", join_s)
        (film, poster_object), files = await asyncio.gather(
            _joined(job, workshop, order, pictures, track, poster, advance),
            asyncio.to_thread(_texts, job.request, order, pictures, track, workshop),
        )
        stored = await workshop.store_files(job.request.compilation_id, files)
        await book.learn("join", pace.learn("join", joins, clock.monotonic() - joining))
    report = _report(order, pictures, track, obtainer, clock.monotonic() - began)
    result = _result(order, pictures, track, film, poster_object, report)
    return replace(result, files=stored, warnings=(*result.warnings, *left_out(stored)))


async def _gathered(order: Order, obtainer: Obtainer, stage: _Stage) -> tuple[Pictures, Track, Piece]:
    """Everything that the film is joined from, and its poster."""
    stage.code = "compile.waiting_conform"
    conformed = await gather_clips(order, obtainer)
    stage.code = "compile.rendering"
    poster = poster_recipe(conformed.clips[0], order.output)
    with first_failure():
        async with asyncio.TaskGroup() as group:
            sounding = group.create_task(gather_sound(order, conformed.plan, obtainer))
            blending = group.create_task(gather_windows(order, conformed, obtainer))
            posting = group.create_task(obtainer.obtain([poster]))
    track, pictures = sounding.result(), blending.result()
    if order.captions is CaptionMode.BURNED:
        pictures = await draw_captions(order, pictures, track, obtainer)
    return pictures, track, posting.result()[poster.key]


async def _joined(
    job: FilmJob,
    workshop: Workshop,
    order: Order,
    pictures: Pictures,
    track: Track,
    poster: Piece,
    on_progress: Progress,
) -> tuple[ObjectRef, ObjectRef]:
    async with workshop.film(order, pictures, track, on_progress) as joined:
        return await workshop.store(job.request.compilation_id, joined, poster)


@asynccontextmanager
async def _reporting(job: FilmJob, meter: Meter, stage: _Stage, clock: Clock) -> AsyncIterator[None]:
    """Tells the percent while the block runs, whenever it or the stage has changed."""

    async def tell() -> None:
        last: tuple[int, str] = (int(meter.percent), "")
        while True:
            await clock.sleep(REPORT_EVERY_S)
            now = (int(meter.percent), stage.code)
            if now != last:
                await job.report(meter.percent, stage.code)
                last = now

    telling = asyncio.create_task(tell(), name="film-progress")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def _report(order: Order, pictures: Pictures, track: Track, obtainer: Obtainer, seconds: float) -> FilmReport:
    fps = order.output.fps
    chapters = [
        Chapter(title=shot.name, start_s=round(start / fps, 3))
        for shot, start in zip(pictures.plan.shots, pictures.plan.starts, strict=True)
    ]
    return FilmReport(
        pieces_reused=obtainer.tally.reused,
        pieces_rendered=obtainer.tally.rendered,
        seconds=round(seconds, 3),
        loudness_lufs=track.loudness,
        true_peak_dbtp=track.true_peak_dbtp,
        unmeasured=dict(track.unmeasured),
        chapters=chapters,
    )


def _result(
    order: Order, pictures: Pictures, track: Track, film: ObjectRef, poster: ObjectRef, report: FilmReport
) -> Result:
    frames, output = pictures.plan.frames, order.output
    media = Media(
        width=output.width,
        height=output.height,
        duration_s=round(frames / output.fps, 6),
        fps=output.fps,
        frames=frames,
        aspect_ratio=_aspect(output),
        resolution=f"{min(output.width, output.height)}p",
        video_codec="h264",
        audio_codec="aac",
        sample_rate=48_000,
        channels=2,
        loudness_lufs=track.loudness,
    )
    return Result(film, poster, media, report, (*pictures.plan.warnings, *track.warnings, *undrawn(pictures)), {})


def _texts(
    request: CompileRequested, order: Order, pictures: Pictures, track: Track, workshop: Workshop
) -> dict[str, str]:
    """What lies beside a film. Whatever it shows of its captions, they are there as files."""
    timeline = describe_timeline(request, order, pictures, track, workshop)
    if not track.captions:
        return timeline
    return timeline | {"captions.vtt": to_vtt(track.captions, track.language), "captions.srt": to_srt(track.captions)}


def _aspect(output: Output) -> str:
    common = gcd(output.width, output.height)
    return f"{output.width // common}:{output.height // common}"


def _problem(error: RetakeError) -> Problem:
    recovery = error.recovery or "Compile again. If it fails again, regenerate what is named."
    if error.retryable:
        recovery = f"It was tried {MOST_FAILURES} times. {error.recovery or 'Compile again later.'}"
    return Problem(code=error.code, cause=error.cause, recovery=recovery, retryable=error.retryable)


def _crashing() -> Problem:
    return Problem(
        code="worker_died",
        cause=f"The compiler stopped {MOST_ATTEMPTS} times while it made this film.",
        recovery="Look at the compiler's log, then compile again.",
        retryable=True,
    )
