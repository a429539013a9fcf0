"""All sources become the same kind of clip: measured size, rate, shape and colour of conformed clips."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from services.compiler.rendering.video import VideoRenderer
from shared.contracts.values import Fit, Output
from shared.media.colour import KNEE, PEAK_NITS, WHITE_NITS
from shared.media.probe import probe
from tests.support import films
from tests.support.patches import LIGHT, Light, Written, read_patches, sdr_signal, write_patches

OUTPUT = Output(width=320, height=96, fps=24, fit=Fit.PAD)


async def conform(source: Path, folder: Path, output: Output = OUTPUT) -> Path:
    clip = await VideoRenderer().conform(source, output, folder / f"{source.stem}-{output.height}-{output.fps}.mp4")
    return clip.path


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(Written(), id="bt709"),
        pytest.param(Written(full_range=True), id="bt709-full-range"),
        pytest.param(Written(tagged=False, height=720), id="hd-untagged"),
        pytest.param(Written(matrix=6, tagged=False), id="sd-untagged"),
        pytest.param(Written(matrix=6, transfer=6, primaries=6), id="bt601-ntsc"),
        pytest.param(Written(matrix=5, transfer=6, primaries=5, full_range=True), id="bt601-pal-full-range"),
        pytest.param(Written(primaries=12), id="display-p3"),
        pytest.param(Written(matrix=9, transfer=14, primaries=9), id="bt2020-sdr"),
    ],
)
async def test_colours_are_those_of_the_source(written: Written, tmp_path: Path) -> None:
    source = write_patches(tmp_path / "patches.mkv", written)
    output = OUTPUT.model_copy(update={"height": written.height})
    seen = read_patches(await conform(source, tmp_path, output))
    assert np.abs(seen - sdr_signal(LIGHT)).max() < 3.5 / 255


@pytest.mark.parametrize("transfer", [16, 18], ids=["pq", "hlg"])
async def test_hdr_is_brought_to_sdr(transfer: int, tmp_path: Path) -> None:
    """Shadows and faces are unchanged, highlights are compressed but not clipped, hues are kept."""
    light = np.concatenate((LIGHT[:-1], [(3.0, 3.0, 3.0)]))  # a lamp: three times as bright as white paper
    source = write_patches(tmp_path / "hdr.mkv", Written(9, transfer, 9), light)
    seen = read_patches(await conform(source, tmp_path))
    assert np.abs(seen - sdr_signal(_bent(light))).max() < 4 / 255
    below = light.max(axis=1) <= KNEE
    assert np.abs(seen[below] - sdr_signal(light[below])).max() < 4 / 255
    assert 0.9 < seen[-1].min() < 1


def _bent(light: Light) -> Light:
    """The tonemap filter's Moebius transform from the knee to the peak, by the largest component of each colour."""
    peak = PEAK_NITS / WHITE_NITS
    a = -(KNEE**2) * (peak - 1) / (KNEE**2 - 2 * KNEE + peak)
    b = (KNEE**2 - 2 * KNEE * peak + peak) / (peak - 1)
    most = light.max(axis=1, keepdims=True)
    bent = (b * b + 2 * b * KNEE + KNEE**2) / (b - a) * (most + a) / (most + b)
    return np.where(most <= KNEE, light, light * bent / np.maximum(most, 1e-9))


async def test_what_shows_through_is_black(tmp_path: Path) -> None:
    opacity = "geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a="
    made = ("-f", "lavfi", "-i", "color=c=white:size=320x96:rate=24:duration=0.5", "-vf")
    prores, vp9, png = tmp_path / "prores.mov", tmp_path / "vp9.webm", tmp_path / "png.mov"
    films.ffmpeg(*made, f"format=yuva444p10le,{opacity}'1023*X/W'", "-c:v", "prores_ks", "-profile:v", "4444", prores)
    films.ffmpeg(*made, f"format=yuva420p,{opacity}'255*X/W'", "-c:v", "libvpx-vp9", "-cpu-used", "8", vp9)
    films.ffmpeg(*made, "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='255*X/W'", "-c:v", "png", png)
    for source in (prores, vp9, png):
        seen = read_patches(await conform(source, tmp_path))[:, 1]
        assert seen == pytest.approx((np.arange(8) + 0.5) / 8, abs=0.03), source.name


async def test_fields_are_taken_apart(tmp_path: Path) -> None:
    """A bar that moves 16 pixels between fields has combed edges until it is deinterlaced."""
    bar = "nullsrc=size=320x96:rate=50:duration=1,geq=lum='if(between(mod(X-N*16+320,320),0,40),235,16)':cb=128:cr=128"
    source = tmp_path / "tape.mkv"
    films.ffmpeg(
        "-f", "lavfi", "-i", bar, "-vf", "tinterlace=interleave_top,setfield=tff",
        "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-q:v", "2", "-r", "25", source,
    )  # fmt: skip
    assert _comb(source) > 20
    assert _comb(await conform(source, tmp_path, OUTPUT.model_copy(update={"fps": 25}))) < 5


def _comb(path: Path) -> float:
    """How much more neighbouring lines differ than lines two apart: the mean of the worst frame."""
    with av.open(str(path)) as film:
        pictures = [f.to_ndarray(format="gray").astype(int) for f in film.decode(video=0)][4:-4]
    return float(max(np.abs(2 * p[1:-1] - p[:-2] - p[2:]).mean() for p in pictures))


@pytest.mark.parametrize(
    ("width", "height", "fps"),
    [(160, 90, 24), (90, 160, 25), (128, 128, 30), (854, 480, 50), (160, 90, 60)],
)
async def test_any_shape_and_rate(width: int, height: int, fps: int, tmp_path: Path) -> None:
    """A phone's portrait video of variable rate keeps its length, is upright, and is tagged in stream and file."""
    filmed, phone = tmp_path / "filmed.mp4", tmp_path / "phone.mp4"
    films.video(filmed, seconds=1, size="160x90", fps="30", options=("-vf", "select='mod(n,4)'", "-fps_mode", "vfr"))
    films.ffmpeg("-display_rotation", "90", "-i", filmed, "-c", "copy", phone)
    output = Output(width=width, height=height, fps=fps, fit=Fit.BLUR)
    clip = await conform(phone, tmp_path, output)
    found = probe(clip)
    assert (found.width, found.height, found.fps, found.rotation) == (width, height, fps, 0)
    assert found.frames == pytest.approx(fps * probe(phone).duration_s, abs=1)
    said = films.ffmpeg("-xerror", "-err_detect", "explode", "-i", clip, "-f", "null", "-")
    assert said == ""
    bare = tmp_path / "bare.h264"
    films.ffmpeg("-i", clip, "-c", "copy", bare)
    for path in (clip, bare):  # the colr box, and the VUI
        with av.open(str(path)) as film:
            codec = film.streams.video[0].codec_context
            assert (codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range) == (1, 1, 1, 1)


async def test_the_blurred_fill_is_the_picture_with_less_light(tmp_path: Path) -> None:
    """If only its brightness were dimmed, it would look more saturated than the picture."""
    source = tmp_path / "orange.mkv"
    orange = "color=0xE07830:size=96x96:rate=24:duration=0.2,format=gbrp"
    films.ffmpeg("-f", "lavfi", "-i", orange, "-c:v", "ffv1", source)
    seen = read_patches(await conform(source, tmp_path, OUTPUT.model_copy(update={"fit": Fit.BLUR})), 5)
    colour = np.array((0xE0, 0x78, 0x30)) / 255
    assert np.abs(seen[2] - colour).max() < 0.015
    assert np.abs(seen[[0, 4]] - 0.6 * colour).max() < 0.015
