"""Running ffmpeg, probing, and the parameters that all conformed pieces share."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from shared.core.errors import Permanent, Retryable
from shared.media.conform import VideoFormat, conformed_video, cut_points, h264_level
from shared.media.ffmpeg import ffmpeg_exe, run_ffmpeg
from shared.media.graphs import Stream, arguments, generated, media_file
from shared.media.probe import probe
from tests.support import films

SMALL = VideoFormat(160, 90, 24)


def pattern(video: VideoFormat = SMALL) -> Stream:
    return generated("testsrc2", size=f"{video.width}x{video.height}", rate=video.fps)


@pytest.mark.parametrize(
    ("frames", "fps", "points"),
    [
        (120, 24, [6, 12, 24, 96, 108, 114]),
        (30, 24, [6, 12, 18, 24]),
        (6, 24, []),
        (1, 24, []),
        (150, 30, [8, 15, 30, 120, 135, 142]),
        (100, 25, [6, 12, 25, 75, 88, 94]),
    ],
)
def test_cut_points_lie_at_the_standard_transitions_of_both_ends(frames: int, fps: int, points: list[int]) -> None:
    assert cut_points(frames, fps) == points


@pytest.mark.parametrize(
    ("video", "level"),
    [
        (VideoFormat(1920, 1080, 24), "4.1"),
        (VideoFormat(1920, 1080, 30), "4.1"),
        (VideoFormat(320, 180, 24), "4.1"),
        (VideoFormat(1920, 1080, 60), "4.2"),
        (VideoFormat(2560, 1440, 24), "5.0"),
        (VideoFormat(3840, 2160, 30), "5.1"),
        (VideoFormat(7680, 4320, 30), "6.0"),
    ],
)
def test_the_level_is_the_lowest_that_takes_the_output(video: VideoFormat, level: str) -> None:
    assert h264_level(video) == level


@pytest.mark.parametrize("size", [(161, 90), (160, 91), (0, 90), (160, -2)])
def test_odd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even"):
        VideoFormat(*size, 24)


async def test_every_piece_has_the_same_parameter_sets(tmp_path: Path) -> None:
    """For any preset, quality, content and length, and any shape and colour that the frames declare."""
    variants = [
        (48, {"preset": "superfast"}, ("null", {})),
        (48, {"preset": "veryfast"}, ("null", {})),
        (7, {"preset": "veryfast", "crf": 16, "cuttable": False}, ("hue", {"s": 0})),
        (48, {"preset": "veryfast", "fine_ends": 12}, ("null", {})),
        (7, {"preset": "veryfast", "fine_ends": 12}, ("null", {})),
        (48, {"preset": "superfast"}, ("setsar", {"sar": "4/3"})),
        (
            48,
            {"preset": "superfast"},
            ("setparams", {"color_primaries": "smpte170m", "color_trc": "smpte170m", "range": "full"}),
        ),
    ]
    seen = set()
    for number, (frames, options, (name, values)) in enumerate(variants):
        out = tmp_path / f"{number}.mp4"
        piece = pattern().filter(name, **values).output(str(out), **conformed_video(SMALL, frames, **options))
        await run_ffmpeg(arguments(piece), timeout_s=30)
        with av.open(str(out)) as container:
            seen.add(container.streams.video[0].codec_context.extradata)
    assert len(seen) == 1


async def test_rounding_never_misses_a_cut_point(tmp_path: Path) -> None:
    for fps in (24, 25, 30, 50):
        video, frames = VideoFormat(64, 36, fps), 4 * fps + 5
        out = tmp_path / f"{fps}.mp4"
        piece = pattern(video).output(str(out), **conformed_video(video, frames))
        await run_ffmpeg(arguments(piece), timeout_s=30)
        with av.open(str(out)) as container:
            keys = {p.pts // 1000 for p in container.demux(video=0) if p.size and p.is_keyframe}
        assert keys >= {0, *cut_points(frames, fps)}


async def test_progress_is_a_growing_share(tmp_path: Path) -> None:
    shares: list[float] = []
    piece = pattern().output(str(tmp_path / "out.mp4"), **conformed_video(SMALL, 240))
    await run_ffmpeg(arguments(piece), timeout_s=30, duration_s=10, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1, abs=0.01)


async def test_failures_are_classed_and_say_why(tmp_path: Path) -> None:
    with pytest.raises(Permanent) as failure:
        await run_ffmpeg(arguments(media_file(tmp_path / "missing.mp4").output("-", format="null")), timeout_s=30)
    assert "No such file" in failure.value.cause
    with pytest.raises(Retryable) as late:
        await run_ffmpeg(arguments(pattern().output("-", format="null")), timeout_s=0.4)
    assert late.value.code == "ffmpeg_timeout"


def test_the_binary_can_be_chosen_and_a_wrong_choice_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAKE_FFMPEG", "/bin/sh")
    assert ffmpeg_exe() == "/bin/sh"
    monkeypatch.setenv("RETAKE_FFMPEG", "/no/such/ffmpeg")
    with pytest.raises(Permanent, match="RETAKE_FFMPEG"):
        ffmpeg_exe()


async def test_probe_tells_what_is_shown_and_heard(tmp_path: Path) -> None:
    out, turned = tmp_path / "out.mp4", tmp_path / "turned.mp4"
    sound = generated("sine", frequency=440, sample_rate=44_100, duration=1)
    options = {"frames:v": 12, "pix_fmt": "yuv420p", "c:a": "aac", "shortest": None}
    await run_ffmpeg(arguments(pattern().output(sound, str(out), **options)), timeout_s=30)
    found = probe(out)
    assert (found.width, found.height, found.fps, found.frames, found.rotation) == (160, 90, 24.0, 12, 0)
    assert found.duration_s == pytest.approx(0.5, abs=0.01)
    assert (found.audio_codec, found.sample_rate, found.channels) == ("aac", 44_100, 1)
    await run_ffmpeg(arguments(media_file(out, {"display_rotation": 90}).output(str(turned), c="copy")), timeout_s=30)
    assert (probe(turned).width, probe(turned).height) == (90, 160)


@pytest.mark.parametrize(
    ("fps", "container", "exact"),
    [("24", "mp4", "24"), ("24000/1001", "mp4", "24000/1001"), ("30000/1001", "webm", "30000/1001")],
)
def test_probe_tells_the_exact_rate(tmp_path: Path, fps: str, container: str, exact: str) -> None:
    path = films.video(tmp_path / "steady.mp4", fps=fps, seconds=3, size="64x36")
    if container == "webm":  # which counts in milliseconds
        films.ffmpeg("-i", path, "-c:v", "libvpx", "-b:v", "50k", path := tmp_path / "steady.webm")
    found = probe(path)
    assert (found.frame_rate, found.variable_rate, found.frames) == (exact, False, round(3 * Fraction(fps)))


def test_probe_tells_frames_that_are_not_where_the_rate_puts_them(tmp_path: Path) -> None:
    path = films.video(
        tmp_path / "varies.mp4", size="64x36", options=("-vf", "select='lt(t,1)+not(mod(n,3))'", "-fps_mode", "vfr")
    )
    found = probe(path)
    assert (found.variable_rate, found.frames) == (True, 32)


def test_probe_reads_pictures_and_refuses_the_rest(tmp_path: Path) -> None:
    Image.new("RGB", (33, 20)).save(tmp_path / "picture.png")
    assert (probe(tmp_path / "picture.png").width, probe(tmp_path / "picture.png").height) == (33, 20)
    (tmp_path / "text.mp4").write_text("no media at all")
    for name in ("text.mp4", "missing.mp4"):
        with pytest.raises(Permanent) as failure:
            probe(tmp_path / name)
        assert failure.value.code == "media_unreadable"
