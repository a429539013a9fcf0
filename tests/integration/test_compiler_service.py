"""The whole compiler: events in, films out, with the embedded broker, PostgreSQL and a directory of objects."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from services.compiler.commands.compilations import admit_compilation, cancel_compilation
from services.compiler.store.compilations import CompilationRepository
from shared.contracts.base import Event
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import (
    CancelRequested,
    CancelTarget,
    CompileItem,
    CompileRequested,
    PinnedMedia,
    TimelineSegment,
)
from shared.contracts.topics import Service
from shared.contracts.values import AssetKind, AudioConfig, Fit, Output, Transition, TransitionStyle
from shared.core.clock import SystemClock
from shared.core.ids import new_id
from shared.messaging.events import Publisher
from shared.messaging.routers import Delivery
from shared.postgres.pool import open_pool
from tests.conftest import FreshDatabase
from tests.support import events, films
from tests.support.compiler_harness import (
    DISSOLVE,
    OUTPUT,
    CompilerHarness,
    Start,
    item,
    requested,
    sources,
    start,
)
from tests.support.messaging import hand_over_at_once
from tests.support.waiting import eventually

__all__ = ["sources", "start"]


async def test_what_was_rendered_ahead_is_only_joined(start: Start, sources: Path) -> None:
    async with start() as stage:
        videos = [await stage.commit(sources / f"{name}.mp4") for name in "abc"]
        voice, music = await stage.commit(sources / "voice.wav"), await stage.commit(sources / "music.wav")
        items = [item(i, v, DISSOLVE) for i, v in enumerate(videos, 1)]
        items[1] = items[1].model_copy(update={"narration": voice})
        episode = new_id()
        timeline = events.episode_changed(
            episode_id=episode,
            output=OUTPUT,
            music_asset_id=music.asset_id,
            segments=[
                TimelineSegment(
                    segment_id=i.segment_id, number=i.number, type="scene", video_asset_id=i.video.asset_id,
                    starting_image_asset_id=new_id(), transition_after=DISSOLVE,
                    narration_asset_id=i.narration.asset_id if i.narration else new_id(),
                )
                for i in items
            ],
        )  # fmt: skip
        await stage.send(_complete(episode, videos[0], AssetKind.VIDEO))  # before its timeline
        await stage.send(timeline)
        for media, kind in [(videos[1], "video"), (voice, "narration"), (music, "music"), (videos[2], "video")]:
            await stage.send(_complete(episode, media, AssetKind(kind)))
        kinds = {"clip": 3, "window": 2, "track": 1}
        await eventually(lambda: _made(stage, kinds), within=60, every=0.1, what="the pieces")
        await stage.idle()

        film = await stage.film(requested(*items, episode_id=episode, music=music))
        assert film.state is FilmState.COMPLETED, film.problem
        assert film.report is not None
        assert film.report.pieces_rendered == 0
        assert film.report.pieces_reused == 3 + 2 + 3 + 1 + 1  # clips, windows, stems, one chunk of sound, poster
        assert [round(c.start_s, 2) for c in film.report.chapters] == [0, 1.5, 3]
        assert film.media is not None
        assert film.media.frames == 3 * 48 - 2 * 12
        assert film.media.loudness_lufs == pytest.approx(-16, abs=0.5)

        seen = films.watch(stage.path(film.object), 24)
        assert seen.pts == list(range(120))
        assert len(seen.pictures) == 120
        assert abs(len(seen.sound) - 120 * 2000) < 1024
        spoken, before = seen.sound[40 * 2000 : 60 * 2000], seen.sound[: 30 * 2000]
        assert films.level(spoken, 700) > films.level(before, 700) + 30  # the narration, at its segment
        assert films.level(spoken, 200) < films.level(before[24_000:], 200) - 6  # the music gives way
        assert films.level(spoken, 500) < films.level(spoken, 700) - 15  # the segment's own sound, lowered
        assert stage.path(film.poster).read_bytes()[:2] == b"\xff\xd8"
        assert stage.path(film.object).stat().st_size == film.object.size if film.object else False
        await stage.is_tidy()


async def test_rendering_ahead_learns_how_the_episode_is_compiled(start: Start, sources: Path) -> None:
    async with start() as stage:
        a, b, c = [await stage.commit(sources / f"{name}.mp4") for name in "abc"]
        episode = new_id()
        segments = [events.timeline_segment(number=n, video_asset_id=v.asset_id) for n, v in ((1, a), (2, b))]
        await stage.send(events.episode_changed(episode_id=episode, output=OUTPUT, segments=segments))
        for video in (a, b):
            await stage.send(_complete(episode, video, AssetKind.VIDEO))
        await eventually(lambda: _made(stage, {"window": 1, "track": 1}), within=60, every=0.1, what="a first guess")
        fade = Transition(style=TransitionStyle.FADE, duration_s=0.25)
        items = [item(1, a, fade, segment_id=segments[0].segment_id), item(2, b, segment_id=segments[1].segment_id)]
        audio = AudioConfig(loudness_lufs=-14)
        film = await stage.film(requested(*items, episode_id=episode, audio=audio))
        assert film.report is not None
        assert film.report.pieces_rendered == 2  # the fade, and the sound at its level: the guess was a dissolve
        await stage.idle()

        c = c.model_copy(update={"asset_id": b.asset_id})
        await stage.send(_complete(episode, c, AssetKind.VIDEO, commit_seq=2))
        await eventually(lambda: _made(stage, {"clip": 3, "window": 3, "track": 3}), within=60, what="the new segment")
        await stage.idle()
        items[1] = items[1].model_copy(update={"video": c})
        film = await stage.film(requested(*items, episode_id=episode, audio=audio))
        assert film.report is not None
        assert film.report.pieces_rendered == 0


def _complete(episode: str, media: PinnedMedia, kind: AssetKind, commit_seq: int = 1) -> Event:
    version = events.version(version_id=media.version_id, object=media.object, media=media.media)
    return events.complete(
        asset_id=media.asset_id, asset_kind=kind, episode_id=episode, version=version, commit_seq=commit_seq
    )


async def _made(stage: CompilerHarness, wanted: dict[str, int]) -> bool:
    rows = await stage.database.fetch("select kind, count(*) n from pieces where made_at is not null group by kind")
    have = {r["kind"]: r["n"] for r in rows}
    return all(have.get(kind, 0) >= count for kind, count in wanted.items())


async def test_a_film_from_nothing_and_again_after_one_segment_changed(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        a, b, c = [await stage.commit(sources / f"{name}.mp4") for name in "abc"]
        fade = Transition(style=TransitionStyle.FADE, duration_s=0.5)
        first = requested(item(1, a, DISSOLVE), item(2, b, fade), item(3, c))
        film = await stage.film(first)
        assert film.state is FilmState.COMPLETED, film.problem
        assert film.report is not None
        # Three clips, two windows, one stem (b's own sound), one chunk, one poster.
        assert (film.report.pieces_reused, film.report.pieces_rendered) == (0, 8)
        mine = [t for t in stage.updates if t.compilation_id == first.compilation_id]
        assert [t.state for t in mine[:2]] == [FilmState.PENDING, FilmState.PROCESSING]
        assert [t.rev for t in mine] == list(range(1, len(mine) + 1))
        assert [t.progress for t in mine] == sorted(t.progress for t in mine)
        assert mine[0].estimated_duration_s
        seen = films.watch(stage.path(film.object), 24)
        assert seen.pts == list(range(120))
        black = seen.pictures[72:84].mean(axis=(1, 2))  # the fade's middle, not its ends
        assert black.min() < 20 < black[0]

        again = requested(item(1, a, DISSOLVE), item(2, b, fade), item(3, a))
        film = await stage.film(again)
        assert film.report is not None
        assert film.report.pieces_rendered == 1  # the window between b and a; the sound is the same
        assert films.watch(stage.path(film.object), 24).pts == list(range(120))


async def test_only_what_changed_is_rendered_again(start: Start, sources: Path, tmp_path: Path) -> None:
    """Five segments with four dissolves; then another third segment; then the first two swapped."""
    names = "vwxyz"
    for n, name in enumerate(names):
        films.video(tmp_path / f"{name}.mp4", seconds=1, size="160x90", hue=n * 70)
    async with start(render_ahead=False) as stage:
        videos = [await stage.commit(tmp_path / f"{name}.mp4") for name in names]
        other = await stage.commit(sources / "a.mp4")
        output = Output(width=160, height=90, fps=24, fit=Fit.PAD)
        items = [item(n, v, DISSOLVE) for n, v in enumerate(videos, 1)]

        async def report(*row: CompileItem) -> tuple[int, int]:
            film = await stage.film(requested(*row, output=output))
            assert film.report is not None, film.problem
            assert film.report.seconds > 0
            return film.report.pieces_reused, film.report.pieces_rendered

        assert await report(*items) == (0, 5 + 4 + 1 + 1)  # clips, dissolves, silence, the poster
        # Its clip, the dissolves to and from it, and the silence of a film that is now a second longer.
        items[2] = items[2].model_copy(update={"video": other})
        assert await report(*items) == (4 + 2 + 1, 1 + 2 + 1)
        # Clips and sound stay. Of the dissolves 2-1 and 1-3 are new, and the film has another first picture.
        items[:2] = items[1], items[0]
        assert await report(*items) == (5 + 2 + 1, 2 + 1)
        assert await report(*items) == (5 + 4 + 1 + 1, 0)


async def test_nothing_to_hear_is_a_silent_track_with_a_reason(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        a = await stage.commit(sources / "a.mp4")
        film = await stage.film(requested(item(1, a)))
        assert film.report is not None
        assert film.report.loudness_lufs is None
        assert "Nothing is heard" in film.report.unmeasured["loudness_lufs"]
        seen = films.watch(stage.path(film.object), 24)
        assert abs(len(seen.sound) - 96_000) < 1024
        assert not seen.sound.any()


async def test_a_request_told_twice_makes_one_film(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        a = await stage.commit(sources / "a.mp4")
        request = requested(item(1, a))
        await asyncio.gather(stage.send(request), stage.send(request))
        await stage.until(request.compilation_id, FilmState.COMPLETED)
        await stage.idle()
        assert [t.rev for t in stage.updates] == list(range(1, len(stage.updates) + 1))
        assert len(list((stage.objects / "compiler" / "films").rglob("*.jpg"))) == 1


async def test_a_broken_video_fails_the_film_by_name(start: Start, sources: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes((sources / "a.mp4").read_bytes()[:5_000])
    async with start() as stage:
        a = await stage.commit(sources / "a.mp4")
        ref = await stage.generator.own.put_file(f"versions/{new_id()}/x.mp4", broken, "video/mp4")
        b = events.pinned(object=ref)
        episode = new_id()
        segments = [events.timeline_segment(number=i, video_asset_id=m.asset_id) for i, m in enumerate((b, a), 1)]
        await stage.send(events.episode_changed(episode_id=episode, output=OUTPUT, segments=segments))
        for media in (b, a):
            await stage.send(_complete(episode, media, AssetKind.VIDEO))
        await eventually(lambda: _made(stage, {"clip": 1}), what="the clip beside the broken one")
        film = await stage.film(requested(item(1, a), item(2, b)))
        assert film.state is FilmState.FAILED
        assert film.problem is not None
        assert film.problem.cause.startswith("Segment 2: ")
        assert film.problem.recovery
        await stage.is_tidy()


async def test_cancel_stops_ffmpeg_at_once(start: Start, tmp_path: Path) -> None:
    slow = films.video(tmp_path / "slow.mp4", seconds=4, size="1280x720")
    async with start(render_ahead=False) as stage:
        request = requested(item(1, await stage.commit(slow)), output=Output(width=1920, height=1080))
        await stage.send(request)
        await _held()
        await stage.send(_cancel(request))
        film = await stage.until(request.compilation_id, FilmState.CANCELLED, FilmState.COMPLETED)
        assert film.state is FilmState.CANCELLED
        await eventually(lambda: not _ffmpegs(), what="the end of ffmpeg")
        await stage.is_tidy()
        await eventually(lambda: _no_claims(stage), what="the release of the piece")
        await stage.send(_cancel(request))  # once more: too late, ignored


async def _held() -> psutil.Process:
    """The rendering ffmpeg, stopped by a signal, so that it cannot finish before it is killed."""
    (process,) = await eventually(_ffmpegs, within=60, what="ffmpeg")
    process.suspend()
    return process


async def _no_claims(stage: CompilerHarness) -> bool:
    return not await stage.database.fetchval("select count(*) from pieces where made_at is null")


def _cancel(request: CompileRequested) -> Event:
    return events.cancel_requested(
        target=CancelTarget.COMPILATION, target_id=request.compilation_id, asset_id=None, episode_id=request.episode_id
    )


def _ffmpegs() -> list[psutil.Process]:
    """Our own ffmpeg processes that encode pieces, without the encoder's calibration."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            words = process.cmdline()
            if "libx264" in words and "lavfi" not in words:
                found.append(process)
        except psutil.Error:
            continue
    return found


async def test_a_cancel_that_comes_first_waits_for_its_film(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        request = requested(item(1, await stage.commit(sources / "a.mp4")))
        await stage.send(_cancel(request))
        await eventually(lambda: _parked(stage), what="the parked cancel")
        film = await stage.film(request)
        assert film.state is FilmState.CANCELLED
        await stage.idle()


async def _parked(stage: CompilerHarness) -> bool:
    return bool(await stage.database.fetchval("select 1 from parked"))


async def test_a_killed_ffmpeg_is_tried_once_more(start: Start, tmp_path: Path, sources: Path) -> None:
    slow = films.video(tmp_path / "slow.mp4", seconds=6, size="1280x720")
    async with start(render_ahead=False) as stage:
        request = requested(item(1, await stage.commit(slow)), output=Output(width=1280, height=720))
        await stage.send(request)
        (await _held()).kill()
        film = await stage.until(request.compilation_id, FilmState.COMPLETED, FilmState.FAILED)
        assert film.state is FilmState.COMPLETED, film.problem
        await stage.is_tidy()  # signed, too


async def test_a_deleted_episode_takes_its_films_along(start: Start, tmp_path: Path) -> None:
    slow = films.video(tmp_path / "slow.mp4", seconds=20, size="1280x720")
    async with start() as stage:
        video = await stage.commit(slow)
        episode = new_id()
        timeline = events.episode_changed(
            episode_id=episode, output=OUTPUT, segments=[events.timeline_segment(video_asset_id=video.asset_id)]
        )
        await stage.send(timeline)
        await stage.send(_complete(episode, video, AssetKind.VIDEO))
        request = requested(item(1, video), episode_id=episode, output=Output(width=1920, height=1080))
        await stage.send(request)
        await stage.until(request.compilation_id, FilmState.PROCESSING)
        gone = {"timeline_version": 2, "deleted": True, "deleted_asset_ids": [video.asset_id]}
        await stage.send(timeline.model_copy(update=gone))
        await stage.until(request.compilation_id, FilmState.CANCELLED)
        await stage.idle()
        await stage.send(_complete(episode, video, AssetKind.VIDEO, commit_seq=2))  # late: the asset stays forgotten
        await stage.send(events.complete(asset_kind=AssetKind.MUSIC))
        await eventually(lambda: _committed(stage, 1), what="the marker behind it")


async def test_a_restored_asset_is_in_the_film_again(start: Start) -> None:
    async with start(render_ahead=False) as stage:
        episode, first, late = new_id(), events.pinned(), events.pinned()
        both = [first.asset_id, late.asset_id]
        await stage.send(_complete(episode, first, AssetKind.NARRATION))
        await eventually(lambda: _committed(stage, 1), what="its commit")
        gone = events.episode_changed(episode_id=episode, timeline_version=2, segments=[], deleted_asset_ids=both)
        await stage.send(gone)
        await eventually(lambda: _committed(stage, 0), what="the deletion")
        await stage.send(_complete(episode, late, AssetKind.NARRATION, commit_seq=4))  # it was on its way
        back = gone.model_copy(update={"timeline_version": 3, "deleted_asset_ids": [], "restored_asset_ids": both})
        await eventually(lambda: _kept(stage, 2), what="the late commit")
        await stage.send(back)
        await eventually(lambda: _committed(stage, 2), what="both again")
        rows = await stage.database.fetch(
            "select asset_id, commit_seq, media ->> 'version_id' as version from committed"
        )
        assert {(str(r["asset_id"]), r["commit_seq"], r["version"]) for r in rows} == {
            (first.asset_id, 1, first.version_id),
            (late.asset_id, 4, late.version_id),
        }
        assert await stage.database.fetchval("select count(*) from versions where superseded_at is null") == 2


async def _kept(stage: CompilerHarness, count: int) -> bool:
    return bool(
        await stage.database.fetchval("select count(*) = $1 from deleted_assets where media is not null", count)
    )


async def _committed(stage: CompilerHarness, count: int) -> bool:
    return bool(await stage.database.fetchval("select count(*) = $1 from committed", count))


async def test_old_news_changes_nothing(start: Start) -> None:
    async with start() as stage:
        media = events.pinned()
        episode = new_id()
        newer = events.episode_changed(episode_id=episode, timeline_version=2, segments=[])
        await stage.send(newer)
        await stage.send(newer.model_copy(update={"timeline_version": 1, "deleted": True}))
        await stage.send(_complete(episode, media, AssetKind.NARRATION, commit_seq=3))
        await stage.send(_complete(episode, events.pinned(asset_id=media.asset_id), AssetKind.NARRATION, commit_seq=2))
        await stage.send(events.complete(asset_kind=AssetKind.MUSIC))
        await eventually(lambda: _committed(stage, 2), what="all of it")
        assert not await stage.database.fetchval("select deleted from timelines where episode_id = $1", episode)
        stored = await stage.database.fetchval("select media->>'version_id' from committed where commit_seq = 3")
        assert stored == media.version_id


async def test_an_expired_film_fails(start: Start, tmp_path: Path) -> None:
    slow = films.video(tmp_path / "slow.mp4", seconds=4, size="1280x720")
    async with start(render_ahead=False) as stage:
        request = requested(item(1, await stage.commit(slow)), output=Output(width=1920, height=1080))
        await stage.send(request)
        await _held()
        await stage.database.execute("update compilations set expires_at = now()")
        film = await stage.until(request.compilation_id, FilmState.FAILED, FilmState.COMPLETED)
        assert film.state is FilmState.FAILED
        assert film.problem is not None
        assert film.problem.code == "compile_expired"
        await eventually(lambda: not _ffmpegs(), what="the end of ffmpeg")


async def test_two_films_at_once_make_each_piece_once(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        a, b = [await stage.commit(sources / f"{name}.mp4") for name in "ab"]
        one, two = [requested(item(1, a, DISSOLVE), item(2, b)) for _ in range(2)]
        done = await asyncio.gather(stage.film(one), stage.film(two))
        assert [d.state for d in done] == [FilmState.COMPLETED] * 2
        assert len(list((stage.objects / "compiler" / "pieces").rglob("*/*/*"))) == 2 + 1 + 1 + 1 + 1
        digests = {stage.path(d.object).stat().st_size for d in done}
        assert len(digests) == 1


async def test_a_request_that_cannot_be_read_is_a_film_that_failed(start: Start) -> None:
    async with start(render_ahead=False) as stage:
        request = requested(events.compile_requested().items[0])
        envelope = events.message(request).envelope
        body = request.model_dump(mode="json") | {"output": {"width": "wide"}}
        await stage.producer.send_and_wait(
            request.TOPIC, json.dumps(body).encode(), key=request.key.encode(), headers=envelope.headers()
        )
        film = await stage.until(request.compilation_id, FilmState.FAILED)
        assert film.episode_id == request.episode_id
        assert film.problem is not None
        assert film.problem.code == "request_unreadable"


async def test_loudness_and_true_peak_are_as_asked(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        a = await stage.commit(sources / "a.mp4")
        music = await stage.commit(sources / "music.wav")
        for target in (-14.0, -23.0):
            film = await stage.film(requested(item(1, a), music=music, audio=AudioConfig(loudness_lufs=target)))
            assert film.report is not None
            measured, peak = films.loudness(stage.path(film.object))
            assert measured == pytest.approx(target, abs=0.3)  # half a step of the gain
            assert film.warnings == ["The music fades out at the film's end, 1.0 s before its own end."]
            assert film.report.loudness_lufs == pytest.approx(measured, abs=0.2)
            assert film.report.true_peak_dbtp == pytest.approx(peak, abs=0.3)


@pytest.mark.parametrize("request_first", [True, False])
async def test_a_request_and_its_cancellation_at_two_replicas_meet(
    fresh_database: FreshDatabase, request_first: bool
) -> None:
    request = requested(item(1, events.pinned()))
    publisher = Publisher(Service.COMPILER, SystemClock(), new_id)

    async def admit(delivery: Delivery[CompileRequested]) -> None:
        compilations = CompilationRepository(delivery.connection, publisher)
        await admit_compilation(compilations, delivery.message, datetime.now(UTC), at_once=1)

    async def cancel(delivery: Delivery[CancelRequested]) -> None:
        await cancel_compilation(CompilationRepository(delivery.connection, publisher), delivery.message)

    pair = [events.message(request), events.message(_cancel(request))]
    handlers = {CompileRequested.TOPIC: admit, CancelRequested.TOPIC: cancel}
    async with open_pool(await fresh_database("compiler")) as pool:
        await hand_over_at_once(pool, *(pair if request_first else pair[::-1]), handlers)
        assert await pool.fetchval("select state from compilations") == "cancelled"
        assert await pool.fetchval("select count(*) from parked") == 0
