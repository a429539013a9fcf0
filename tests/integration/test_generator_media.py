"""Real media through a run: the animatic provider end to end, and every kind of file that a user may bring."""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.providers.animatic import provider as animatic_provider
from services.generator.providers.base import Provider
from shared.contracts.values import AssetKind, ObjectRef, Output, ProjectSettings
from shared.media.ffmpeg import run_ffmpeg
from tests.support import events
from tests.support.generator import Bench, emptied_database, open_bench, put_upload
from tests.support.postgres import Postgres

SMALL = ProjectSettings(output=Output(width=640, height=360, fps=24))


@pytest_asyncio.fixture
async def bench(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(await emptied_database(postgres), tmp_path, media=FfmpegMediaProcessor()) as opened:
        provider = Provider(animatic_provider.lane, animatic_provider.AnimaticProvider())
        opened.rewire(providers={"animatic": provider})
        yield opened


async def fetched(bench: Bench, ref: ObjectRef | None, name: str) -> Path:
    assert ref is not None
    path = bench.root / name
    await bench.objects.own.fetch(ref, path)
    return path


# --- the animatic provider


async def test_a_card_becomes_a_video_with_poster_and_filmstrip(bench: Bench) -> None:
    card = await bench.committed(project_settings=SMALL, overrides={"directions": "A lighthouse at dusk", "seed": 3})
    assert card.version.info["animatic"] is True
    assert (card.version.media.width, card.version.media.height) == (640, 360)
    preview = await bench.preview(
        asset_kind=AssetKind.VIDEO,
        project_settings=SMALL,
        starting_image_version_id=card.version.version_id,
        overrides={"directions": "Pan left slowly", "duration": 2, "seed": 5},
    )
    made = preview.candidates[0]
    assert (made.media.frames, made.media.fps, made.media.duration_s) == (48, 24.0, 2.0)
    assert (made.media.width, made.media.height, made.media.aspect_ratio) == (640, 360, "16:9")
    assert made.info["animatic"] is True
    assert (made.quality.consistency_score or 0) > 0.8  # the camera begins on its starting image
    assert made.quality.measures["black_share"] == 0
    poster = Image.open(await fetched(bench, made.poster, "poster.jpg"))
    assert poster.size == (640, 360)
    strip = Image.open(await fetched(bench, made.filmstrip, "strip.jpg"))
    assert strip.size == (160 * 10, 90)
    first, last = np.asarray(strip)[:, :160], np.asarray(strip)[:, -160:]
    assert np.abs(first.astype(int) - last).mean() > 2, "the filmstrip shows the move"
    assert np.asarray(strip).std() > 10
    ending = Image.open(await fetched(bench, made.last_frame, "last.jpg"))
    ending_differs, beginning_differs = (
        np.abs(np.asarray(ending.resize((160, 90))).astype(int) - tile).mean() for tile in (last, first)
    )
    assert ending_differs < beginning_differs, "what the next segment is compared with is how this one ends"


async def test_narration_is_spoken_and_music_is_heard(bench: Bench) -> None:
    spoken = (
        await bench.preview(
            asset_kind=AssetKind.NARRATION, overrides={"directions": "Guten Abend, meine Damen und Herren."}
        )
    ).candidates[0]
    assert spoken.object.content_type == "audio/flac"
    assert spoken.media.audio_codec == "flac"
    assert 1 < spoken.media.duration_s < 6
    assert -24 < spoken.media.loudness_lufs < -12
    assert spoken.info["language"].startswith("de")
    assert spoken.info["sentences"]
    music = (
        await bench.preview(
            asset_kind=AssetKind.MUSIC, overrides={"directions": "Calm piano", "duration": 6, "seed": 1}
        )
    ).candidates[0]
    assert music.media.duration_s == pytest.approx(6, abs=0.05)
    assert Image.open(await fetched(bench, music.poster, "wave.jpg")).size == (640, 160)


# --- pictures


def jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, options.pop("format", "JPEG"), **options)
    return out.getvalue()


def gradient(width: int = 320, height: int = 200) -> Image.Image:
    x = np.linspace(0, 255, width, dtype=np.uint8)
    rows = np.stack([np.tile(x, (height, 1)), np.full((height, width), 90, np.uint8), np.tile(x[::-1], (height, 1))], 2)
    return Image.fromarray(rows)


async def ingest(bench: Bench, data: bytes, kind: AssetKind = AssetKind.STARTING_IMAGE) -> Any:
    """The version that the file became, or the problem it met."""
    request = events.regenerate_requested(
        asset_kind=kind,
        source="upload",
        overrides={"directions": "Mine"},
        input_object=await put_upload(bench.root, data),
    )
    await bench.handle(request)
    await bench.work()
    if failed := await bench.published("failed", run_id=request.run_id):
        return failed[0].problem
    return (await bench.one("preview-ready", run_id=request.run_id)).candidates[0]


async def test_a_photograph_is_written_anew_upright(bench: Bench) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    made = await ingest(bench, jpeg(gradient(), exif=exif))
    assert (made.media.width, made.media.height, made.object.content_type) == (200, 320, "image/jpeg")
    stored = Image.open(await fetched(bench, made.object, "stored.jpg"))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (200, 320))
    assert not stored.getexif()
    assert Image.open(await fetched(bench, made.poster, "poster.jpg")).size == (200, 320)


@pytest.mark.parametrize(
    ("data", "code", "word"),
    [
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "media_unsupported", "web page"),
        (jpeg(gradient(), quality=95)[:3000], "image_unreadable", ""),
    ],
)
async def test_pictures_that_are_none_are_refused_in_words(bench: Bench, data: bytes, code: str, word: str) -> None:
    problem = await ingest(bench, data)
    assert problem.code == code
    assert word in problem.cause
    assert problem.recovery
    assert not problem.retryable


# --- videos and sound


async def clip(path: Path, *args: str) -> bytes:
    source = "testsrc2=size=320x240:rate=25:duration=1"
    await run_ffmpeg(["-f", "lavfi", "-i", source, *args, str(path)], timeout_s=60)
    return path.read_bytes()


async def test_a_video_that_plays_is_copied_and_others_are_converted(bench: Bench) -> None:
    h264 = await clip(bench.root / "in.mkv", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    for data in (
        h264,
        await clip(bench.root / "in.avi", "-c:v", "mpeg4"),
        await clip(bench.root / "in.webm", "-c:v", "libvpx", "-b:v", "500k"),
    ):
        made = await ingest(bench, data, AssetKind.VIDEO)
        stored = await fetched(bench, made.object, f"{made.version_id}.mp4")
        with av.open(str(stored)) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            assert "mp4" in container.format.name
        assert made.media.duration_s == pytest.approx(1, abs=0.1)
        assert stored.read_bytes().index(b"moov") < stored.read_bytes().index(b"mdat"), "faststart"


async def test_damaged_and_wrong_videos_are_refused_in_words(bench: Bench) -> None:
    whole = await clip(bench.root / "in.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
    cut = await ingest(bench, whole[: len(whole) // 2], AssetKind.VIDEO)
    assert cut.code in ("media_unreadable", "media_damaged")
    assert (await ingest(bench, jpeg(gradient()), AssetKind.VIDEO)).code == "media_unsupported"
    sound = await ingest(bench, tone(0.5), AssetKind.VIDEO)
    assert sound.code == "media_unsupported"
    assert "sound" in sound.cause


def tone(loud: float, seconds: float = 1.0) -> bytes:
    samples = (np.sin(np.arange(int(48_000 * seconds)) * 0.05) * loud * 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(samples.tobytes())
    return out.getvalue()


async def test_sound_is_taken_and_silence_is_not(bench: Bench) -> None:
    made = await ingest(bench, tone(0.3), AssetKind.NARRATION)
    assert (made.object.content_type, made.media.sample_rate, made.media.channels) == ("audio/flac", 48_000, 1)
    assert made.media.loudness_lufs == pytest.approx(-16, abs=4)
    assert (await ingest(bench, tone(0.0), AssetKind.NARRATION)).code == "silent"
    assert (await ingest(bench, jpeg(gradient()), AssetKind.MUSIC)).code == "media_unsupported"
