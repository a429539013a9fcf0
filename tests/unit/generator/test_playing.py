"""Whatever a camera or a model writes ends as video that browsers play: itself, or a small copy beside it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from services.generator.media.base import ComparisonFiles, Inspection
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.media.playability import index_is_first, needs_proxy, steady_rate
from shared.contracts.values import AssetKind
from shared.media.probe import probe
from tests.support.films import ffmpeg

PICTURES = "testsrc2=size=320x180:rate=24:duration=0.5"
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def made(path: Path, *options: str, source: str = PICTURES) -> Path:
    ffmpeg("-f", "lavfi", "-i", source, *options, path)
    return path


async def inspected(path: Path, work: Path) -> Inspection:
    work.mkdir()
    return await FfmpegMediaProcessor().inspect(path, AssetKind.VIDEO, work, ComparisonFiles())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("prores.mov", ("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le")),
        ("vp9.webm", ("-c:v", "libvpx-vp9", "-deadline", "realtime")),
        ("hevc-10-bit.mp4", ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none")),
        ("large.mp4", (*H264, "-vf", "scale=2160:1216")),
    ],
)
async def test_what_browsers_may_not_play_gets_a_small_copy_that_they_do(
    name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    source = made(tmp_path / name, "-f", "lavfi", "-i", "sine=duration=0.5", *options)
    found = await inspected(source, tmp_path / "work")
    assert found.proxy is not None
    assert index_is_first(found.proxy)
    assert index_is_first(source) or source.suffix == ".webm"
    small = probe(found.proxy)
    assert (small.video_codec, small.pix_fmt, small.frames, small.audio_codec) == ("h264", "yuv420p", 12, "aac")
    assert min(small.width or 0, small.height or 0) <= 720
    assert (small.width or 0) / (small.height or 1) == pytest.approx(16 / 9, rel=0.01)
    ffmpeg("-xerror", "-i", found.proxy, "-f", "null", "-")


async def test_what_plays_is_left_alone_but_for_its_index(tmp_path: Path) -> None:
    source = made(tmp_path / "plain.mp4", *H264)  # ffmpeg writes the index last
    before = probe(source)
    assert not index_is_first(source)
    found = await inspected(source, tmp_path / "work")
    assert found.proxy is None
    assert index_is_first(source)
    assert probe(source) == before
    written = source.stat().st_mtime_ns
    await inspected(source, tmp_path / "again")
    assert source.stat().st_mtime_ns == written


def test_a_stream_too_fat_for_a_connection_gets_a_copy(tmp_path: Path) -> None:
    fat = made(tmp_path / "fat.mp4", *H264, "-qp", "0", source="nullsrc=s=640x360:d=1,geq=random(1)*255:128:128")
    assert needs_proxy(fat, probe(fat))


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x08ftyp", b"\0\0\0\x01moof" + bytes(8), b"\0\0\0\0mdat" + bytes(9)])
def test_broken_boxes_have_no_index(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(data)
    assert not index_is_first(path)


# --- uploads


async def brought(path: Path, work: Path) -> Path:
    work.mkdir()
    return (await FfmpegMediaProcessor().ingest(path, AssetKind.VIDEO, work)).path


@pytest.mark.parametrize(
    ("rate", "dropped", "becomes"),
    [("30", "not(eq(mod(n,5),3))", 30), ("24000/1001", "lt(n,6)+gt(n,12)", 24000 / 1001)],
)
async def test_uneven_frames_are_made_even(rate: str, dropped: str, becomes: float, tmp_path: Path) -> None:
    uneven = made(
        tmp_path / "telephone.mp4",
        *H264,
        "-vf",
        f"select='{dropped}'",
        "-fps_mode",
        "vfr",
        source=f"testsrc2=size=320x180:rate={rate}:duration=1",
    )
    assert steady_rate(uneven) is not None
    even = await brought(uneven, tmp_path / "work")
    assert steady_rate(even) is None
    found = probe(even)
    assert found.fps == pytest.approx(becomes, abs=0.01)
    assert found.duration_s == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("name", ["gaps.mp4", "gaps.mkv"])
async def test_no_picture_is_lost_between_gaps(name: str, tmp_path: Path) -> None:
    """A screen that now and then stands still for half a second; picture n has a luma of 20 + 4n."""
    kept = [n for n in range(48) if n % 20 < 9]
    gaps = made(
        tmp_path / name,
        "-vf",
        "select='lt(mod(n,20),9)'",
        "-fps_mode",
        "vfr",
        *H264,
        "-crf",
        "5",
        source="nullsrc=size=64x36:rate=24:duration=2,geq=lum='20+4*N':cb=128:cr=128",
    )
    with av.open(str(await brought(gaps, tmp_path / "work"))) as container:
        assert container.streams.video[0].average_rate == 24
        seen = [round((f.to_ndarray()[:36].mean() - 20) / 4) for f in container.decode(video=0)]
    assert seen == [max(k for k in kept if k <= n) for n in range(kept[-1] + 1)]


@pytest.mark.parametrize("name", ["even.mkv", "even.mov", "even.mp4"])
async def test_even_frames_are_copied(name: str, tmp_path: Path) -> None:
    """Matroska's times are whole milliseconds: that is rounding and no unevenness."""
    source = made(tmp_path / name, *H264, "-bf", "2", source="testsrc2=size=320x180:rate=30000/1001:duration=1")
    assert steady_rate(source) is None
    out = await brought(source, tmp_path / "work")
    assert packets(out) == packets(source)


def packets(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(p.size for p in container.demux(video=0))


async def test_a_telephone_held_upright_stays_upright(tmp_path: Path) -> None:
    lying = made(tmp_path / "lying.mp4", *H264)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", lying, "-c", "copy", turned)
    found = probe(await brought(turned, tmp_path / "work"))
    assert (found.width, found.height, found.rotation) == (180, 320, 0)


async def test_hdr_becomes_sdr_as_bright_as_it_was_meant(tmp_path: Path) -> None:
    """White of 203 nits in PQ is 58% of the signal: taken as it is, it would be gray."""
    tags = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=none"
    hdr = made(
        tmp_path / "hdr.mp4",
        "-vf",
        "format=yuv420p10le",
        "-c:v",
        "libx265",
        "-x265-params",
        tags,
        source="color=c=0x949494:s=320x180:r=24:d=0.5",
    )
    out = await brought(hdr, tmp_path / "work")
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_trc, frame.color_primaries) == (1, 1, 1)
        assert np.median(frame.to_ndarray(format="gray")) > 190


async def test_fields_are_taken_apart(tmp_path: Path) -> None:
    """Encoded as they are, no reader could tell from the copy that its frames are two half pictures each."""
    bar = "nullsrc=size=320x96:rate=50:duration=1,geq=lum='if(between(mod(X-N*16+320,320),0,40),235,16)':cb=128:cr=128"
    tape = made(
        tmp_path / "tape.mkv",
        "-vf",
        "tinterlace=interleave_top,setfield=tff",
        "-flags",
        "+ilme+ildct",
        "-c:v",
        "mpeg2video",
        "-q:v",
        "2",
        "-r",
        "25",
        source=bar,
    )
    with av.open(str(await brought(tape, tmp_path / "work"))) as container:
        shown = [frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)][4:-4]
    assert max(np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]).mean() for lines in shown) < 5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vp9.webm", ("-c:v", "libvpx-vp9", "-cpu-used", "8")),
        ("prores.mov", ("-c:v", "prores_ks", "-profile:v", "4444")),
    ],
)
async def test_what_shows_through_is_black(name: str, options: tuple[str, ...], tmp_path: Path) -> None:
    """A browser lays it on the page's colour: what is reviewed is what the film will show."""
    opacity = "format=yuva444p10le,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='1023*gt(X,W/2)'"
    depth = ",format=yuva420p" if name.endswith("webm") else ""
    white = "color=white:size=160x90:rate=24:duration=0.5"
    source = made(tmp_path / name, "-vf", opacity + depth, *options, source=white)
    with av.open(str(await brought(source, tmp_path / "work"))) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="gray")
    assert frame[:, :60].mean() < 30 < 220 < frame[:, 100:].mean()
