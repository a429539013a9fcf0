"""A compilation's job: builds every piece, joins them, stores the film with its files, and reports."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from math import gcd
from typing import Final

import structlog

from services.compiler.commands.assembly import (
    assemble_clips,
    assemble_sound,
    assemble_windows,
    draw_captions,
    missing_glyph_warnings,
    stem_recipes,
)
from services.compiler.commands.estimates import estimate_remaining
from services.compiler.commands.pieces import PieceBuilder, first_failure
from services.compiler.commands.ports import PieceStore, Progress, Renderer
from services.compiler.domain.compilations import FilmResult
from services.compiler.planning.chapters import chapters
from services.compiler.planning.film_order import FilmOrder, order_from_request
from services.compiler.planning.film_parts import FilmPictures, FilmSound
from services.compiler.planning.handover import plan_handover
from services.compiler.planning.pieces import Piece, poster_recipe
from services.compiler.planning.render_speed import ProgressMeter, RenderSpeed, join_units
from services.compiler.planning.subtitles import to_srt, to_vtt
from services.compiler.store.jobs import FilmJob
from shared.contracts.events.compiler import Chapter, FilmReport
from shared.contracts.events.gateway import CompileRequested
from shared.contracts.messages import message, problem_text
from shared.contracts.values import CaptionMode, Media, ObjectRef, Output, Problem
from shared.core.clock import Clock
from shared.core.errors import RetakeError, disk_full_is_retryable
from shared.jobs.recurring import recurring

log = structlog.get_logger(__name__)

REPORT_EVERY_S: Final = 0.5
MOST_ATTEMPTS: Final = 5  # claims of one job: a film that kills its worker every time must not be retried for ever
MOST_FAILURES: Final = 2  # one retry
RETRY_AFTER_S: Final = 1.0
TEXTS_EVERY_S: Final = 0.5
TIMELINE: Final = "timeline.otio"
TIMELINE_MISSING: Final = message("warning.timeline_missing")


@dataclass
class _Stage:
    message_code: str


async def make_film(
    job: FilmJob,
    piece_store: PieceStore,
    renderer: Renderer,
    speed: RenderSpeed,
    clock: Clock,
    *,
    attempt: int,
    failures: int,
    at_once: int,
) -> None:
    """Ends the job as completed, failed, or returned for one more attempt. When cancelled, it changes nothing.

    `attempt` counts the claims of the job, `failures` those that ended in an error; `at_once` pieces are rendered in
    parallel.
    """
    if attempt > MOST_ATTEMPTS:
        await job.fail(_worker_died())
        return
    if job.texts_awaited:
        await job.postpone(TEXTS_EVERY_S)
        return
    try:
        with disk_full_is_retryable():
            result = await _make(job, piece_store, renderer, speed, clock, at_once)
        await job.complete(result, clock.now())
    except RetakeError as error:
        if error.code == "fenced":
            raise
        if error.retryable and failures + 1 < MOST_FAILURES:
            await job.retry(RETRY_AFTER_S)
        else:
            await job.fail(_problem(error))


async def _make(
    job: FilmJob, piece_store: PieceStore, renderer: Renderer, speed: RenderSpeed, clock: Clock, at_once: int
) -> FilmResult:
    began = clock.monotonic()
    order = order_from_request(job.request)
    meter = ProgressMeter(1.0)
    builder = PieceBuilder(piece_store, renderer, clock, speed, meter, at_once=at_once)
    stage = _Stage("compile.started")
    work = await estimate_remaining(order, builder)
    meter.expect(work.total_s)
    await job.report(meter.percent, stage.message_code, work.until_ready(at_once))
    async with _reporting(job, meter, stage, clock):
        pictures, sound, poster = await _build_parts(order, builder, stage)
        stage.message_code = "compile.joining"
        units = join_units(pictures.plan.frames / float(order.output.rate))
        expected_s = speed.seconds("join", units)
        meter.expect(expected_s)
        joining = clock.monotonic()
        # The thread that writes the film is mostly in the kernel, so the text files are made at the same time.
        advance = partial(meter.advance, "join", expected_s)
        (film, poster_object), texts = await asyncio.gather(
            _join(job, renderer, order, pictures, sound, poster, advance),
            asyncio.to_thread(_text_files, job.request, order, pictures, sound, renderer),
        )
        files = await renderer.store_files(job.request.compilation_id, texts)
        await piece_store.learn("join", speed.learn("join", units, clock.monotonic() - joining))
    report = _report(order, pictures, sound, builder, clock.monotonic() - began)
    result = _result(order, pictures, sound, film, poster_object, report)
    warnings = list(result.warnings)
    if TIMELINE not in files:
        warnings.append(TIMELINE_MISSING)
    if job.texts_unknown:
        warnings.append(message("warning.texts_missing", count=job.texts_unknown))
    return replace(result, files=files, warnings=tuple(warnings))


async def _build_parts(order: FilmOrder, builder: PieceBuilder, stage: _Stage) -> tuple[FilmPictures, FilmSound, Piece]:
    """Everything that the film is joined from, and its poster."""
    stage.message_code = "compile.waiting_conform"
    conformed = await assemble_clips(order, builder)
    stage.message_code = "compile.rendering"
    poster = poster_recipe(conformed.clips[0], order.output)
    with first_failure():
        async with asyncio.TaskGroup() as group:
            sound_task = group.create_task(assemble_sound(order, conformed.plan, builder))
            windows_task = group.create_task(assemble_windows(order, conformed, builder))
            poster_task = group.create_task(builder.build([poster]))
    sound, pictures = sound_task.result(), windows_task.result()
    if order.captions is CaptionMode.BURNED:
        pictures = await draw_captions(order, pictures, sound, builder)
    return pictures, sound, poster_task.result()[poster.key]


async def _join(
    job: FilmJob,
    renderer: Renderer,
    order: FilmOrder,
    pictures: FilmPictures,
    sound: FilmSound,
    poster: Piece,
    on_progress: Progress,
) -> tuple[ObjectRef, ObjectRef]:
    async with renderer.film(order, pictures, sound, on_progress) as joined:
        return await renderer.store(job.request.compilation_id, joined, poster)


def _reporting(job: FilmJob, meter: ProgressMeter, stage: _Stage, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Reports the percentage while the block runs, whenever it or the stage has changed."""
    last: tuple[int, str] = (int(meter.percent), "")

    async def report_change() -> None:
        nonlocal last
        now = (int(meter.percent), stage.message_code)
        if now != last:
            await job.report(meter.percent, stage.message_code)
            last = now

    return recurring(report_change, name="film-progress", every_s=REPORT_EVERY_S, clock=clock)


def _report(
    order: FilmOrder, pictures: FilmPictures, sound: FilmSound, builder: PieceBuilder, seconds: float
) -> FilmReport:
    return FilmReport(
        pieces_reused=builder.tally.reused,
        pieces_rendered=builder.tally.rendered,
        seconds=round(seconds, 3),
        loudness_lufs=sound.loudness,
        true_peak_dbtp=sound.true_peak_dbtp,
        unmeasured=dict(sound.unmeasured),
        chapters=[
            Chapter(title=chapter.title, start_s=round(float(chapter.frame / order.output.rate), 3))
            for chapter in chapters(order.items, pictures.plan)
        ],
    )


def _result(
    order: FilmOrder,
    pictures: FilmPictures,
    sound: FilmSound,
    film: ObjectRef,
    poster: ObjectRef,
    report: FilmReport,
) -> FilmResult:
    frames, output = pictures.plan.frames, order.output
    media = Media(
        width=output.width,
        height=output.height,
        duration_s=round(float(frames / output.rate), 6),
        fps=round(float(output.rate), 3),
        frame_rate=str(output.rate),
        frames=frames,
        aspect_ratio=_aspect_ratio(output),
        resolution=f"{min(output.width, output.height)}p",
        video_codec="h264",
        audio_codec="aac",
        sample_rate=48_000,
        channels=2,
        loudness_lufs=sound.loudness,
    )
    warnings = (*pictures.plan.warnings, *sound.warnings, *missing_glyph_warnings(pictures))
    return FilmResult(film, poster, media, report, warnings, {})


def _text_files(
    request: CompileRequested, order: FilmOrder, pictures: FilmPictures, sound: FilmSound, renderer: Renderer
) -> dict[str, str]:
    """The files that accompany a film, by name. Captions are always among them, however the film shows its own."""
    files = dict(describe_timeline(request, order, pictures, sound, renderer))
    if sound.captions:
        files["captions.vtt"] = to_vtt(sound.captions, sound.language)
        files["captions.srt"] = to_srt(sound.captions)
    return files


def describe_timeline(
    request: CompileRequested, order: FilmOrder, pictures: FilmPictures, sound: FilmSound, renderer: Renderer
) -> Mapping[str, str]:
    """The file with which work on a film continues in an editing program, by name.

    Empty if it cannot be written: the film is finished, and worth more than its timeline.
    """
    try:
        stems = {role: recipe.key for role, recipe in stem_recipes(order).items()}
        own = {role.removeprefix("own:"): key for role, key in stems.items() if role.startswith("own:")}
        handover = plan_handover(order, pictures.plan, sound.plan, own=own, music=stems.get("music"))
        return {TIMELINE: renderer.timeline(request, handover)}
    except Exception:
        log.exception("film.timeline_failed", compilation_id=request.compilation_id)
        return {}


def _aspect_ratio(output: Output) -> str:
    common = gcd(output.width, output.height)
    return f"{output.width // common}:{output.height // common}"


def _problem(error: RetakeError) -> Problem:
    recovery = error.recovery or "Compile again. If it fails again, regenerate the asset named above."
    if error.retryable:
        recovery = f"It was tried {MOST_FAILURES} times. {error.recovery or 'Compile again later.'}"
    return Problem(code=error.code, cause=error.cause, recovery=recovery, retryable=error.retryable)


def _worker_died() -> Problem:
    text = problem_text("compiler_stopped", attempts=MOST_ATTEMPTS)
    return Problem(code="worker_died", cause=text.cause, recovery=text.recovery, retryable=True)
