"""What browsers play, and what is made of video that they may not: H.264 in MP4, of ordinary size, its index first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import av
import av.error

from shared.core.errors import Permanent
from shared.media.colour import Colour, scale, through_light
from shared.media.ffmpeg import media_input, run_ffmpeg
from shared.media.file_type import Form, sniff
from shared.media.pictures import whole_pictures
from shared.media.probe import TAG_BT709, Probe, in_words, picture_stream
from shared.media.sandbox import open_media

PLAYED_FORMATS: Final = ("yuv420p", "yuvj420p")
LARGEST_SHORT_SIDE: Final = 1088  # a model's 1080p may be a multiple of 16
MOST_BITS_PER_S: Final = 50_000_000  # what a home connection still streams, with room for grain at 1080p
PROXY_SHORT_SIDE: Final = 720
USUAL_RATES: Final = ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")
UNEVEN: Final = 0.1  # of a frame; less is rounding by the container (whole milliseconds in Matroska)


def is_plain(found: Probe) -> bool:
    """H.264 that every browser decodes, upright and in SDR."""
    return (
        found.video_codec == "h264"
        and found.pix_fmt in PLAYED_FORMATS
        and not found.rotation
        and not Colour(*found.colour).is_hdr
    )


def needs_proxy(path: Path, found: Probe) -> bool:
    bits_per_s = 8 * path.stat().st_size / max(found.duration_s, 1.0)
    return not (
        is_plain(found)
        and sniff(path) is Form.MP4
        and bits_per_s <= MOST_BITS_PER_S
        and min(found.width or 0, found.height or 0) <= LARGEST_SHORT_SIDE
    )


def proxy_outputs(found: Probe, out: Path) -> list[str]:
    """Output arguments of a small copy that plays everywhere."""
    width, height = found.width or 2, found.height or 2
    share = min(1.0, PROXY_SHORT_SIDE / min(width, height))
    rate = ["-fps_mode", "cfr", "-r", "60"] if (found.fps or 0) > 60 else []
    return [
        "-map",
        "0:V:0",
        "-map",
        "0:a:0?",
        "-vf",
        sdr(found, width * share, height * share),
        *rate,
        "-c:v",
        "libx264",
        "-preset",
        "superfast",
        "-crf",
        "23",
        "-maxrate",
        "8M",
        "-bufsize",
        "16M",
        "-c:a",
        "aac",
        "-b:a",
        "160k",
        "-ac",
        "2",
        "-sn",
        "-dn",
        "-map_metadata",
        "-1",
        "-map_chapters",
        "-1",
        "-movflags",
        "+faststart",
        "-f",
        "mp4",
        str(out),
    ]


def sdr(found: Probe, width: float, height: float) -> str:
    """Filters: at this size in square pixels, upright, 8-bit BT.709; HDR tone-mapped, fields taken apart, on black."""
    colour, lines = Colour(*found.colour), found.height or 0
    whole = whole_pictures(interlaced=found.interlaced, alpha=found.alpha)
    scaled = scale(colour, lines, _even(width), _even(height))
    return ",".join((*whole, scaled, *through_light(colour, lines), "format=yuv420p", "setsar=1", TAG_BT709))


async def put_index_first(path: Path) -> None:
    """An MP4 or MOV whose index follows its pictures is written anew, packets as they are: it plays before it is
    loaded."""
    if sniff(path) is not Form.MP4 or index_is_first(path):
        return
    out = path.with_name(f"{path.stem}-index-first")
    await run_ffmpeg(
        [
            *media_input(path),
            "-map",
            "0:V:0",
            "-map",
            "0:a?",
            "-c",
            "copy",
            "-movflags",
            "+faststart",
            "-f",
            "mov" if _is_quicktime(path) else "mp4",
            str(out),
        ],
        timeout_s=600,
    )
    os.replace(out, path)


def _is_quicktime(path: Path) -> bool:
    """It may hold what MP4 has no name for: ProRes, plain PCM."""
    with path.open("rb") as file:
        return file.read(12)[8:] == b"qt  "


def index_is_first(path: Path) -> bool:
    """Of an MP4: `moov` before `mdat`."""
    first = next((name for name, _ in _boxes(path) if name in (b"moov", b"mdat")), None)
    return first == b"moov"


def breaks_off(path: Path) -> bool:
    """True of an MP4 that ends within its index or its pictures, as after a broken transfer: what is there may play."""
    size = path.stat().st_size
    return any(end > size for name, end in _boxes(path) if name in (b"moov", b"moof", b"mdat"))


def _boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """The outermost boxes, each with where it ends by its own account (ISO/IEC 14496-12, 4.2)."""
    with path.open("rb") as file:
        all_of_it = file.seek(0, os.SEEK_END)
        at = 0
        while at + 8 <= all_of_it:
            file.seek(at)
            head = file.read(16)
            size, name = int.from_bytes(head[:4]), head[4:8]
            if size == 1:
                size = int.from_bytes(head[8:16])
            end = all_of_it if size == 0 else at + size
            yield name, end
            if end < at + 8:
                return
            at = end


def steady_rate(path: Path) -> str | None:
    """None if all frames last equally long; else the rate that they should have, as ffmpeg writes it.

    Blocks while it reads the whole file. Raises Permanent.
    """
    try:
        with open_media(path) as container:
            stream = picture_stream(container)
            if stream is None or stream.time_base is None:
                return None
            base, told = float(stream.time_base), float(stream.guessed_rate or 0)
            times = sorted(p.pts * base for p in container.demux(stream) if p.size and p.pts is not None)
    except (av.error.FFmpegError, ValueError) as error:
        cause = f"The file cannot be read: {in_words(error)}"
        raise Permanent("media_unreadable", cause, "Upload a file that plays.") from error
    lasts = [after - before for before, after in pairwise(times)]
    if len(lasts) < 2 or (usual := median(lasts)) <= 0:
        return None
    slack = max(UNEVEN * usual, 2 * base)
    if all(abs(length - usual) <= slack for length in lasts):
        return None
    # What the file tells is finer than its times, which may be in whole milliseconds.
    return _nearest_rate(told if abs(told * usual - 1) <= UNEVEN else 1 / usual)


def _nearest_rate(fps: float) -> str:
    return min(USUAL_RATES, key=lambda rate: abs(_number(rate) - fps))


def _number(rate: str) -> float:
    over, _, under = rate.partition("/")
    return int(over) / int(under or 1)


def _even(pixels: float) -> int:
    return max(2, 2 * round(pixels / 2))
