"""Whatever times a file declares, its clip shows each visible picture once, at the right time, and no hidden one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from services.compiler.planning.film_plan import Window
from services.compiler.rendering.video import End, VideoRenderer
from shared.contracts.values import Fit, Output, TransitionStyle
from shared.media.probe import probe
from tests.support import films

OUTPUT = Output(width=64, height=36, fps=24, fit=Fit.PAD)
FRAMES = 48
BOTH = ("-map", "0:v", "-map", "1:a", "-c", "copy")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds in which picture n has a luma of 20 + 4n, with B-frames, few keyframes, and a longer sound."""
    path = tmp_path_factory.mktemp("times") / "source.mp4"
    pictures = f"nullsrc=size=64x36:rate=24,geq=lum='20+4*N':cb=128:cr=128,trim=end_frame={FRAMES}"
    inputs = ("-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", "sine=duration=3")
    b_frames = ("-bf", "2", "-x264-params", "b-adapt=0")
    films.ffmpeg(*inputs, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "5", *b_frames, "-c:a", "aac", path)
    return path


def cut(source: Path, folder: Path) -> Path:
    """Begins at picture 12, with an edit list that hides the twelve before it."""
    films.ffmpeg("-ss", "0.5", "-i", source, "-c", "copy", folder / "cut.mp4")
    return folder / "cut.mp4"


def still_in_the_middle(source: Path, folder: Path) -> Path:
    """A recording of variable rate whose header declares its usual rate."""
    some = ("-vf", "select='not(between(n,10,29))'", "-fps_mode", "vfr")
    films.ffmpeg("-i", source, "-map", "0:v", *some, "-c:v", "ffv1", folder / "still.mkv")
    return folder / "still.mkv"


def longer_sound(source: Path, folder: Path) -> Path:
    """In a container that only declares the length of its longest stream."""
    films.ffmpeg("-itsscale", "0.8", "-i", source, "-i", source, *BOTH, folder / "longer.mkv")
    return folder / "longer.mkv"


def late_pictures(source: Path, folder: Path) -> Path:
    """The sound begins half a second before the pictures do."""
    films.ffmpeg("-itsoffset", "0.5", "-i", source, "-i", source, *BOTH, folder / "late.mov")
    return folder / "late.mov"


def fragmented(source: Path, folder: Path) -> Path:
    """Pictures are stored in another order than displayed, without an edit list that removes the decoder's delay."""
    pieces = ("-movflags", "empty_moov+default_base_moof", "-use_editlist", "0")
    films.ffmpeg("-i", source, "-c", "copy", *pieces, folder / "fragmented.mp4")
    return folder / "fragmented.mp4"


STILL = [n if n < 10 or n > 29 else 9 for n in range(FRAMES)]


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (cut, list(range(12, FRAMES))),
        (still_in_the_middle, STILL),
        (longer_sound, [min(47, round(n * 30 / 24)) for n in range(39)]),
        (late_pictures, [0] * 12 + list(range(FRAMES))),
        (fragmented, list(range(FRAMES))),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_clip_shows_what_its_file_shows(
    make: Callable[[Path, Path], Path], wanted: list[int], source: Path, tmp_path: Path
) -> None:
    file = make(source, tmp_path)
    assert probe(file).duration_s == pytest.approx(len(wanted) / 24, abs=0.05)
    clip = await VideoRenderer().conform(file, OUTPUT, tmp_path / "clip.mp4")
    seen = numbers(clip.path)
    assert len(seen) == len(wanted)
    assert np.abs(np.array(seen) - wanted).max() <= (1 if make is longer_sound else 0)


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as film:
        return [round((f.to_ndarray()[:36].mean() - 20) / 4) for f in film.decode(video=0)]


@pytest.mark.parametrize("change", [("-display_rotation", "180"), ("-display_hflip",)])
async def test_our_own_film_turned_is_not_copied(change: tuple[str, ...], source: Path, tmp_path: Path) -> None:
    """Copied and rendered parts have the same orientation."""
    ours, turned = tmp_path / "ours.mp4", tmp_path / "turned.mp4"
    video_renderer = VideoRenderer()
    half = "nullsrc=size=64x36:rate=24:duration=1,geq=lum='if(lt(X,W/2),40,200)':cb=128:cr=128"
    films.ffmpeg("-f", "lavfi", "-i", half, "-pix_fmt", "yuv420p", "-c:v", "libx264", tmp_path / "half.mp4")
    await video_renderer.conform(tmp_path / "half.mp4", OUTPUT, ours)
    films.ffmpeg(*change, "-i", ours, "-c", "copy", turned)
    clip = await video_renderer.conform(turned, OUTPUT, tmp_path / "clip.mp4")
    ends = End(turned, 24), End(turned, 24)
    window = await video_renderer.window(
        *ends, Window(0, TransitionStyle.DISSOLVE, 6, 6), OUTPUT, tmp_path / "window.mp4"
    )
    for piece in (clip, window):
        with av.open(str(piece.path)) as film:
            picture = next(film.decode(video=0)).to_ndarray()[:36]
        assert picture[:, :16].mean() > picture[:, -16:].mean() + 100
