"""What is drawn and encoded: measured in pixels and packets, not in plans."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from services.generator.providers.animatic import engine
from services.generator.providers.animatic.draw import prepare
from services.generator.providers.animatic.engine import render_video
from services.generator.providers.animatic.photograph import cut_frame
from shared.core.errors import Permanent
from shared.media.conform import VideoFormat, conformed_video, cut_points
from shared.media.ffmpeg import run_ffmpeg
from shared.media.graphs import arguments, generated, media_file
from shared.media.probe import probe
from tests.support.pictures import Plane, displacement, magnification, save_texture

FRAME = (320, 180)


def drawn(image: Path, words: str, seed: int = 5, frame: tuple[int, int] = FRAME, count: int = 24) -> list[Plane]:
    """Luma of every frame, before the encoder."""
    stage, path = prepare(image, words, seed, 3.0, count, frame)
    planes = [np.frombuffer(cut_frame(stage, window, frame)[0], np.uint8) for window in path]
    return [plane.reshape(frame[1], frame[0]).astype(np.float32) for plane in planes]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_texture(tmp_path_factory.mktemp("photo") / "photo.png", 960, 540)


@pytest.mark.parametrize(
    ("words", "right", "down"),
    [("pan left", 1, 0), ("pan right", -1, 0), ("tilt up", 0, 1), ("tilt down", 0, -1), ("镜头向左平移", 1, 0)],
)
def test_the_picture_moves_against_the_camera(photo: Path, words: str, right: int, down: int) -> None:
    frames = drawn(photo, words)
    x, y = displacement(frames[0], frames[-1])
    assert (np.sign(x) if abs(x) > 8 else 0) == right
    assert (np.sign(y) if abs(y) > 8 else 0) == down


def test_zooms_enlarge_and_reduce(photo: Path) -> None:
    pushed, pulled, held = (drawn(photo, words) for words in ("push in", "pull back", "hold"))
    assert magnification(pushed[0], pushed[-1]) > 1.08
    assert magnification(pulled[-1], pulled[0]) > 1.08
    assert abs(magnification(held[0], held[-1]) - 1) < 0.04
    assert np.abs(held[0] - held[-1]).mean() > 0.05  # it still lives


def test_a_suggested_change_visibly_changes_the_move(photo: Path) -> None:
    before = drawn(photo, "slow pan left")
    after = drawn(photo, "slow pan left\npan right instead, a bit faster")
    x_before, _ = displacement(before[0], before[-1])
    x_after, _ = displacement(after[0], after[-1])
    assert x_before > 5
    assert x_after < -1.5 * x_before
    assert np.abs(before[-1] - after[-1]).mean() > 8


def test_the_motion_is_smooth_below_a_pixel(tmp_path: Path) -> None:
    """Steps of a slow pan, measured by optical flow, follow the planned ones within a twentieth of a pixel."""
    frame = (640, 360)
    stage, path = prepare(save_texture(tmp_path / "photo.png", 640, 360), "slowly pan right", 5, 3.0, 36, frame)
    planes = [np.frombuffer(cut_frame(stage, window, frame)[0], np.uint8).reshape(360, 640) for window in path]
    planned = [(a.x - b.x) / b.size * frame[0] for a, b in pairwise(path)]
    measured = [_flow(a.astype(np.float64), b.astype(np.float64)) for a, b in pairwise(planes)]
    assert max(abs(step) for step in planned) < 2.0  # slower than any whole-pixel crop could follow
    assert np.abs(np.array(measured) - np.array(planned)).max() < 0.05


def _flow(a: Plane, b: Plane) -> float:
    """Pixels to the right between two frames that differ little: least squares over shift and magnification."""
    inside = np.s_[12:-12, 12:-12]
    down, right = np.gradient((a + b) / 2)
    rows, columns = np.mgrid[0 : a.shape[0], 0 : a.shape[1]]
    spread = right * (columns - a.shape[1] / 2) + down * (rows - a.shape[0] / 2)
    system = np.stack([each[inside].ravel() for each in (right, down, spread)], axis=1)
    solution, *_ = np.linalg.lstsq(system, -(b - a)[inside].ravel(), rcond=None)
    return float(solution[0])


def test_the_same_seed_draws_the_same_pixels_and_another_does_not(photo: Path) -> None:
    one, same, other = (drawn(photo, "push in", seed) for seed in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert np.abs(one[-1] - other[-1]).max() > 4


@pytest.mark.parametrize(
    ("size", "frame", "words"),
    [
        ((300, 600), (320, 180), "push in"),
        ((300, 600), (320, 180), "tilt down"),
        ((500, 500), (320, 180), "pan left"),
        ((500, 500), (320, 180), "tilt up"),
        ((600, 400), (320, 180), "push in"),
        ((600, 300), (180, 320), "push in"),
        ((600, 300), (180, 320), "pan right"),
        ((2400, 900), (320, 180), "drift"),
    ],
)
def test_a_circle_stays_round(tmp_path: Path, size: tuple[int, int], frame: tuple[int, int], words: str) -> None:
    image = Image.new("RGB", size, (10, 10, 10))
    radius = min(size) * 0.09
    x, y = size[0] / 2, size[1] / 2
    ImageDraw.Draw(image).ellipse([x - radius, y - radius, x + radius, y + radius], fill=(255, 255, 255))
    image.save(tmp_path / "circle.png")
    frames = drawn(tmp_path / "circle.png", words, frame=frame, count=9)
    seen = 0
    for plane in frames:
        bright = plane > 130
        columns, rows = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
        if (
            not columns.size
            or columns[0] == 0
            or rows[0] == 0
            or columns[-1] == frame[0] - 1
            or rows[-1] == frame[1] - 1
        ):
            continue
        seen += 1
        width, height = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
        assert width / height == pytest.approx(1, abs=0.02 + 2.2 / width)
    assert seen >= 1


def test_a_tall_photograph_fills_the_frame(tmp_path: Path) -> None:
    """Over a fill of itself without a tilt, from edge to edge with one: never bars."""
    path = save_texture(tmp_path / "tall.png", 300, 600)
    for words in ("push in", "tilt down"):
        for plane in drawn(path, words, count=3):
            assert plane[:, :6].std() > 0.5
            assert plane[:, :6].mean() > 20
    over_fill, covering = drawn(path, "hold", count=2)[0], drawn(path, "tilt up", count=2)[0]
    edges = [np.abs(np.diff(plane, axis=0)) for plane in (over_fill, covering)]
    assert edges[0][:, :60].mean() < 0.3 * edges[0][:, 130:190].mean()  # the fill is blurred, the photograph is not
    assert edges[1][:, :60].mean() > 0.7 * edges[1][:, 130:190].mean()


def test_a_turned_photograph_is_shown_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (200, 100), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 100, 100))  # left half white; turned right by 90 degrees it is the upper half
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    plane = drawn(tmp_path / "turned.jpg", "hold", frame=(90, 180), count=1)[0]
    assert plane[30].mean() > 200
    assert plane[150].mean() < 40


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "CMYK", "1", "LA"])
def test_every_kind_of_pixel_is_read(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("picture.tiff" if mode == "CMYK" else "picture.png")
    if mode == "I;16":
        Image.fromarray((np.linspace(0, 65535, 64 * 36).reshape(36, 64)).astype(np.uint16)).save(path)
    else:
        Image.linear_gradient("L").resize((64, 36)).convert("RGB").convert(mode.replace("LA", "L")).convert(mode).save(
            path
        )
    plane = drawn(path, "hold", frame=(64, 36), count=1)[0]
    assert plane[-3:].mean() - plane[:3].mean() > 100


async def test_the_file_is_what_the_compiler_would_have_made(photo: Path, tmp_path: Path) -> None:
    """Exact frames from pts 0, IDRs where cuts may come, no sound, and the parameter sets of a veryfast conform."""
    out, conformed = tmp_path / "out.mp4", tmp_path / "conformed.mp4"
    shares: list[float] = []
    await render_video(
        photo, "pan left", seed=1, duration_s=3.02, width=320, height=180, fps=24, out=out, on_progress=shares.append
    )
    encoding = conformed_video(VideoFormat(320, 180, 24), 72, preset="veryfast", crf=17)
    source = generated("testsrc2", size="320x180", rate=24)
    await run_ffmpeg(arguments(source.output(str(conformed), **encoding)), timeout_s=30)
    found = probe(out)
    assert (found.width, found.height, found.fps, found.frames) == (320, 180, 24.0, 72)
    assert (found.video_codec, found.pix_fmt, found.audio_codec) == ("h264", "yuv420p", None)
    with av.open(str(out)) as container, av.open(str(conformed)) as other:
        stream = container.streams.video[0]
        assert stream.codec_context.extradata == other.streams.video[0].codec_context.extradata
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert stream.time_base.denominator == 24_000
        assert [packet.pts for packet in packets] == [1000 * n for n in range(72)]
        keys = [packet.pts // 1000 for packet in packets if packet.is_keyframe]
    assert set(keys) == {0, *cut_points(72, 24)}
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_range, frame.colorspace) == (1, 1)
    assert out.read_bytes().find(b"moov") < out.read_bytes().find(b"mdat")
    assert shares
    assert shares[-1] == pytest.approx(1, abs=0.05)
    assert shares == sorted(shares)


async def test_the_file_repeats_for_the_same_seed(photo: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        await render_video(
            photo, "push in", seed=3, duration_s=0.5, width=160, height=90, fps=30, out=tmp_path / f"{name}.mp4"
        )
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


async def test_colours_survive(tmp_path: Path) -> None:
    """A photograph of one colour comes back as that colour: matrix and range are the ones that are declared."""
    colour = (200, 60, 90)
    Image.new("RGB", (320, 180), colour).save(tmp_path / "plain.png")
    out = tmp_path / "out.mp4"
    await render_video(tmp_path / "plain.png", "hold", seed=1, duration_s=0.2, width=320, height=180, fps=24, out=out)
    picture = tmp_path / "frame.png"
    pictures = media_file(out)["v:0"].filter("scale", in_color_matrix="bt709")
    await run_ffmpeg(arguments(pictures.output(str(picture), **{"frames:v": 1})), timeout_s=30)
    seen = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3).mean(axis=0)
    assert np.abs(seen - colour).max() < 4


@pytest.mark.parametrize("content", [b"", b"not an image", b"\xff\xd8\xff\xe0 half a jpeg"])
async def test_an_unreadable_image_is_permanent_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    image = tmp_path / "broken.jpg"
    image.write_bytes(content)
    with pytest.raises(Permanent) as failure:
        await render_video(
            image, "pan left", seed=1, duration_s=1, width=160, height=90, fps=24, out=tmp_path / "out.mp4"
        )
    assert failure.value.code == "image_unreadable"
    assert failure.value.recovery
    assert [each.name for each in tmp_path.iterdir()] == ["broken.jpg"]


async def test_an_encoder_that_fails_says_why(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(Permanent) as failure:
        await render_video(
            photo, "", seed=1, duration_s=30, width=320, height=180, fps=24, out=tmp_path / "no" / "folder.mp4"
        )
    assert "No such file" in failure.value.cause


async def test_cancelling_stops_every_process_and_leaves_nothing(photo: Path, tmp_path: Path) -> None:
    started = asyncio.Event()
    work = asyncio.ensure_future(
        render_video(
            photo, "pan left", seed=1, duration_s=120, width=1280, height=720, fps=24, out=tmp_path / "out.mp4",
            on_progress=lambda share: started.set() if share else None,
        )
    )  # fmt: skip
    await asyncio.wait_for(started.wait(), 60)
    assert _running(str(tmp_path))
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 60)
    assert not _running(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def _running(mark: str) -> list[str]:
    """Commands of ours that are still there, zombies aside."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline") if Path("/proc/self").exists() else []:
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if mark in line and str(os.getpid()) != entry.parent.name:
            found.append(line)
    return found


def test_large_and_tiny_photographs_are_read_upright(tmp_path: Path) -> None:
    """A large PNG is reduced before anything else, a large JPEG while it is decoded; orientation survives both."""
    for name, frame in (("large.png", (45, 80)), ("large.jpg", (45, 80))):
        image = Image.new("RGB", (1600, 900), (0, 0, 0))
        image.paste((255, 255, 255), (0, 0, 800, 900))
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(tmp_path / name, exif=exif)
        plane = drawn(tmp_path / name, "hold", frame=frame, count=1)[0]
        assert plane[10].mean() > 200
        assert plane[-10].mean() < 40
    Image.new("RGB", (16, 9), (200, 60, 90)).save(tmp_path / "tiny.png")
    for words in ("push in", "tilt up", "pan left"):
        assert drawn(tmp_path / "tiny.png", words, count=2)[1].std() < 4


def test_drawing_and_speaking_processes_import_nothing_of_what_only_services_need() -> None:
    """They are started for each candidate, so what they import is waited for each time."""
    workers = ", ".join(f"{engine._PACKAGE}.{name}" for name in ("draw", "speech", "music.score", "cards.storyboard"))
    script = f"import sys, {workers}; print(sorted({{'pydantic', 'requests', 'rich', 'structlog'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
