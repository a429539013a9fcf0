"""Films into clips: real files, the real cutter, a real database and object store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from services.generator.commands.film_splits import FilmSplitter
from services.generator.domain.imports import SPLIT
from services.generator.jobs import split_kind
from services.generator.media.film.cutter import FilmCutter
from services.generator.wiring import film_splitter
from shared.contracts.events.gateway import CancelTarget
from shared.contracts.events.generator import Failed, ImportReady
from shared.core.errors import Retryable
from shared.core.ids import new_id
from shared.jobs import queue as jobs
from shared.jobs.worker import Worker
from shared.media.probe import probe
from shared.postgres.pool import transaction
from tests.support import events
from tests.support.films import ffmpeg
from tests.support.generator import Bench, put_upload

SCENES = "testsrc2=s=160x90:r=24:d=1[a];mandelbrot=s=160x90:r=24,trim=duration=1[b];smptebars=s=160x90:r=24:d=1[c]"
FILM = [
    "-filter_complex",
    f"{SCENES};[a][b][c]concat=n=3,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709[v]",
    "-map",
    "[v]",
]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=3"]


def film(path: Path, *options: str, sound: bool = True) -> Path:
    """Three scenes of a second."""
    heard = ["-map", "0:a", "-c:a", "aac"] if sound else []
    ffmpeg(*(TONE if sound else []), *FILM, *heard, "-c:v", "libx264", "-preset", "ultrafast", *options, path)
    return path


async def ask(bench: Bench, path: Path, **overrides: Any) -> str:
    found = await put_upload(bench.root, path.read_bytes(), "video/mp4")
    request = events.import_requested(import_id=new_id(), object=found, **({"scene_threshold": None} | overrides))
    await bench.handle(request)
    return request.import_id


def splitter(bench: Bench, cutter: Any = None) -> FilmSplitter:
    made = film_splitter(bench.settings, bench.base, bench.objects, bench.generator.scratch)
    return FilmSplitter(made.unit, cutter or made.cutter, made.objects, made.scratch, made.clock, lambda: 0.0, 2)


async def split(bench: Bench, cutter: Any = None) -> None:
    async with transaction(bench.pool) as connection:
        await connection.execute("update jobs set run_at = now(), lease_until = null, token = null")
        (claim,) = await jobs.claim(connection, SPLIT, 1, worker="test", lease_s=60)
    await split_kind(splitter(bench, cutter), 1).handler(claim)


async def ready(bench: Bench) -> ImportReady:
    found: ImportReady = await bench.one("import-ready")
    return found


async def failure(bench: Bench) -> Failed:
    found: Failed = await bench.one("failed")
    return found


def decoded(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="yuv420p")[: f.height] for f in container.decode(video=0)])


async def clips(bench: Bench, told: ImportReady) -> list[Path]:
    found = []
    for clip in told.clips:
        found.append(bench.root / f"clip-{clip.number}.mp4")
        await bench.objects.own.fetch(clip.video, found[-1])
    return found


@pytest.mark.parametrize(
    ("name", "options", "exact"),
    [
        ("key frames at the cuts", ("-force_key_frames", "1,2", "film.mp4"), True),
        ("b-frames and open groups", ("-bf", "3", "-x264-params", "open-gop=1:keyint=30", "film.mp4"), False),
        ("no key frames at the cuts", ("-g", "250", "-sc_threshold", "0", "film.mp4"), False),
        ("matroska with other sound", ("-force_key_frames", "1,2", "-c:a", "libopus", "film.mkv"), True),
        ("ten bits", ("-pix_fmt", "yuv420p10le", "film.mp4"), False),
    ],
)
async def test_a_film_is_split_at_its_cuts_with_every_frame_once(
    bench: Bench, name: str, options: tuple[str, ...], exact: bool
) -> None:
    path = film(bench.root / options[-1], *options[:-1])
    await ask(bench, path)
    await split(bench)
    told = await ready(bench)
    assert [round(clip.start_s, 2) for clip in told.clips] == [0, 1, 2]
    pieces = [decoded(clip) for clip in await clips(bench, told)]
    assert [len(piece) for piece in pieces] == [24, 24, 24]
    joined, whole = np.concatenate(pieces).astype(int), decoded(path).astype(int)
    difference = np.abs(joined - whole).mean(axis=(1, 2))
    assert difference.max() < (0.01 if exact else 4.0), difference  # another encoder's noise, never another frame
    for clip, piece in zip(told.clips, pieces, strict=True):
        picture = bench.root / "first.jpg"
        await bench.objects.own.fetch(clip.first_frame, picture)
        with av.open(str(picture)) as container:
            first = next(container.decode(video=0)).to_ndarray(format="gray").astype(int)
        assert np.corrcoef(first.ravel(), piece[0].ravel())[0, 1] > 0.99


async def test_sound_stays_with_its_pictures(bench: Bench) -> None:
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "aevalsrc='0.8*sin(2*PI*880*t)*gte(t,1.5)*lt(t,1.6)':s=48000:d=3",
        *FILM,
        "-map",
        "0:a",
        "-c:v",
        "libx264",
        "-c:a",
        "aac",
        bench.root / "film.mp4",
    )
    await ask(bench, bench.root / "film.mp4")
    await split(bench)
    second = (await clips(bench, await ready(bench)))[1]
    ffmpeg("-i", second, "-ac", "1", "-ar", "48000", bench.root / "heard.wav")
    with av.open(str(bench.root / "heard.wav")) as container:
        heard = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)]).astype(float)
    began = float(np.argmax(np.abs(heard) > 2000)) / 48000
    with av.open(str(second)) as container:
        began += float((container.streams.audio[0].start_time or 0) * container.streams.audio[0].time_base)
    assert abs(began - 0.5) < 1 / 24


async def test_odd_films(bench: Bench) -> None:
    """No sound, a turned picture, frames at uneven times; sound that outlasts the pictures."""
    upright = film(bench.root / "plain.mp4", sound=False)
    turned = bench.root / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", upright, "-c", "copy", turned)
    await ask(bench, turned)
    await split(bench)
    (first, *_) = await clips(bench, await ready(bench))
    assert (probe(first).width, probe(first).height) == (90, 160)
    await bench.pool.execute("delete from outbox")
    uneven = bench.root / "uneven.mp4"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "sine=duration=5",
        "-i",
        upright,
        "-map",
        "1:v",
        "-map",
        "0:a",
        "-vf",
        r"select='mod(n\,5)'",
        "-fps_mode",
        "vfr",
        "-c:v",
        "libx264",
        "-g",
        "9",
        "-c:a",
        "aac",
        uneven,
    )
    await ask(bench, uneven)
    await split(bench)
    told = await ready(bench)
    assert sum(probe(clip).frames or 0 for clip in await clips(bench, told)) == len(decoded(uneven))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<!doctype html><html></html>", "media_unsupported"),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 400, "media_unreadable"),
    ],
)
async def test_what_is_no_film_fails_in_words(bench: Bench, content: bytes, code: str) -> None:
    (bench.root / "film.mp4").write_bytes(content)
    await ask(bench, bench.root / "film.mp4")
    await split(bench)
    told = await failure(bench)
    assert (told.outcome, told.problem.code) == ("failed", code)
    assert told.problem.recovery


async def test_a_truncated_film_fails_in_words(bench: Bench) -> None:
    whole = film(bench.root / "film.mkv").read_bytes()
    (bench.root / "film.mp4").write_bytes(whole[: len(whole) // 2][:-7])
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", bench.root / "sound.mp4")
    await ask(bench, bench.root / "sound.mp4")
    await split(bench)
    assert (await failure(bench)).problem.code == "no_video"


async def test_a_cancelled_import_stops_at_once_and_says_so(bench: Bench) -> None:
    reached = asyncio.Event()

    class Waiting(FilmCutter):
        async def find_scene_changes(self, *args: Any) -> Any:
            reached.set()
            await asyncio.sleep(60)

    import_id = await ask(bench, film(bench.root / "film.mp4"))
    kinds = {SPLIT: split_kind(splitter(bench, Waiting()), 1)}
    async with Worker(bench.pool, bench.settings.database_url, kinds, clock=bench.base.clock, new_id=new_id):
        await asyncio.wait_for(reached.wait(), 60)
        await bench.handle(events.cancel_requested(target=CancelTarget.IMPORT, target_id=import_id))
    assert (await failure(bench)).outcome == "cancelled"
    assert await bench.pool.fetchval("select count(*) from jobs") == 0


async def test_a_cancel_that_comes_first_is_remembered(bench: Bench) -> None:
    found = await put_upload(bench.root, b"film", "video/mp4")
    request = events.import_requested(import_id=new_id(), object=found)
    await bench.handle(events.cancel_requested(target=CancelTarget.IMPORT, target_id=request.import_id))
    await bench.handle(request)
    assert (await failure(bench)).outcome == "cancelled"
    assert await bench.pool.fetchval("select count(*) from jobs") == 0


async def test_an_attempt_goes_on_from_what_the_last_one_stored(bench: Bench) -> None:
    scans: list[int] = []
    made: list[list[int]] = []

    class Dying(FilmCutter):
        async def find_scene_changes(self, *args: Any) -> Any:
            scans.append(1)
            return await super().find_scene_changes(*args)

        async def cut(self, film: Any, spans: Any, work: Path) -> Any:
            made.append([span.number for span in spans])
            if len(made) == 1:
                raise Retryable("object_store_unavailable", "away")
            return await super().cut(film, spans, work)

    await ask(bench, film(bench.root / "film.mp4"))
    dying = Dying()
    await split(bench, dying)
    assert not await bench.published("import-ready")
    await split(bench, dying)
    assert len((await ready(bench)).clips) == 3
    assert (len(scans), made) == (1, [[1, 2, 3], [1, 2, 3]])


async def test_the_episode_of_an_import_is_deleted(bench: Bench) -> None:
    import_id = await ask(bench, film(bench.root / "film.mp4"))
    episode_id = await bench.pool.fetchval("select episode_id from imports where import_id = $1", import_id)
    await bench.handle(events.episode_changed(episode_id=episode_id, deleted=True))
    assert (await failure(bench)).outcome == "cancelled"
