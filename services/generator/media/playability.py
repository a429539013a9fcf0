"""Which videos browsers play (H.264 in MP4 of ordinary size, index first), and conversions of those they do not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice, pairwise
from math import inf
from pathlib import Path
from statistics import median
from typing import Final

import av
import av.error
import structlog

from shared.contracts.messages import message, problem_text
from shared.core.errors import Permanent
from shared.media.colour import Colour, scaled, to_bt709
from shared.media.conform import tag_bt709
from shared.media.ffmpeg import run_ffmpeg
from shared.media.file_type import Form, sniff
from shared.media.frames import progressive_opaque
from shared.media.graphs import Output, Stream, arguments, media_file, moving_pictures
from shared.media.probe import Probe, message_of, picture_stream
from shared.media.sandbox import MOST_PACKETS, Option, open_media, packets, unreadable

log = structlog.get_logger(__name__)

MOST_BOXES: Final = 500_000  # on the top level: a stream of many hours has two for each second
KEPT_SOUND: Final = ("aac", "mp3")  # browsers play these in MP4
PLAYED_FORMATS: Final = ("yuv420p", "yuvj420p")
LARGEST_SHORT_SIDE: Final = 1088  # a model's 1080p may be a multiple of 16
MAX_BITS_PER_S: Final = 50_000_000  # a home connection can stream this; enough for grain at 1080p
PROXY_SHORT_SIDE: Final = 720
USUAL_RATES: Final = ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")
UNEVEN: Final = 0.1  # of a frame; less is rounding by the container (Matroska counts whole milliseconds)


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
        and bits_per_s <= MAX_BITS_PER_S
        and min(found.width or 0, found.height or 0) <= LARGEST_SHORT_SIDE
    )


NO_METADATA: Final[dict[str, Option]] = {"map_metadata": -1, "map_chapters": -1, "sn": None, "dn": None}
"""Output options that leave out metadata, chapters, subtitles and data."""


def sound_for_mp4(found: Probe) -> dict[str, Option]:
    """Output options: the sound as it is if browsers play it in MP4, else as stereo AAC."""
    if found.audio_codec in KEPT_SOUND:
        return {"c:a": "copy"}
    return {"c:a": "aac", "b:a": "192k", "ac": 2}


def proxy(source: Stream, found: Probe, out: Path) -> Output:
    """A small copy of `source` that plays everywhere."""
    width, height = found.width or 2, found.height or 2
    share = min(1.0, PROXY_SHORT_SIDE / min(width, height))
    pictures = sdr(moving_pictures(source), found, width * share, height * share)
    video: dict[str, Option] = {
        "c:v": "libx264", "preset": "superfast", "crf": 23, "maxrate": "8M", "bufsize": "16M",
    }  # fmt: skip
    rate: dict[str, Option] = {"fps_mode": "cfr", "r": 60} if (found.fps or 0) > 60 else {}
    sound: dict[str, Option] = {"c:a": "aac", "b:a": "160k", "ac": 2}
    container: dict[str, Option] = {"movflags": "+faststart", "format": "mp4"}
    return pictures.output(source["a:0?"], str(out), **video, **rate, **sound, **NO_METADATA, **container)


def sdr(pictures: Stream, found: Probe, width: float, height: float) -> Stream:
    """At this size in square pixels, upright, in 8-bit BT.709: tone-mapped from HDR, deinterlaced, on black."""
    colour, lines = Colour(*found.colour), found.height or 0
    pictures = progressive_opaque(pictures, interlaced=found.interlaced, alpha=found.alpha)
    pictures = scaled(pictures, colour, lines, _even(width), _even(height))
    pictures = to_bt709(pictures, colour, lines)
    return tag_bt709(pictures.filter("format", pix_fmts="yuv420p").filter("setsar", sar=1))


async def put_index_first(path: Path) -> None:
    """Rewrites an MP4 or MOV whose index follows its pictures (`Probed.index_first`), copying its packets, so that it
    plays while it loads.

    A file that cannot be rewritten stays as it is: it plays, only later.
    """
    out = path.with_name(f"{path.stem}-index-first")
    source = media_file(path)
    for container in ("mov",) if _is_quicktime(path) else ("mp4", "mov"):
        copy = moving_pictures(source).output(source["a?"], str(out), c="copy", movflags="+faststart", format=container)
        try:
            await run_ffmpeg(arguments(copy), timeout_s=600)
        except Permanent as error:  # MP4 does not define H.263 and others of a telephone's 3GP
            log.warning("index.not_moved", container=container, cause=error.cause)
            continue
        os.replace(out, path)
        return
    out.unlink(missing_ok=True)


def _is_quicktime(path: Path) -> bool:
    """A QuickTime file may contain codecs that MP4 does not define: ProRes, plain PCM."""
    with path.open("rb") as file:
        return file.read(12)[8:] == b"qt  "


def index_is_first(path: Path) -> bool:
    """Whether an MP4 has `moov` before `mdat`."""
    first = next((name for name, _ in _boxes(path) if name in (b"moov", b"mdat")), None)
    return first == b"moov"


def is_truncated(path: Path) -> bool:
    """Whether an MP4 ends within its index or its media data, as after an interrupted transfer.

    Media data that end early matter only if the index names a part that is missing. Blocks briefly.
    """
    size = path.stat().st_size
    short = {name for name, end in _boxes(path) if end > size}
    if short & {b"moov", b"moof"}:
        return True
    return b"mdat" in short and _last_byte(path) > size


def _last_byte(path: Path) -> float:
    """The end of what the index names; infinity if it cannot be read."""
    try:
        with open_media(path) as container:
            ends = (entry.pos + entry.size for stream in container.streams for entry in stream.index_entries)
            return max(islice(ends, MOST_PACKETS), default=inf)
    except (av.error.FFmpegError, ValueError, Permanent):
        return inf


def _boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """The top-level boxes, each with the end that its header states (ISO/IEC 14496-12, 4.2). Raises Permanent."""
    with path.open("rb") as file:
        file_size = file.seek(0, os.SEEK_END)
        at = number = 0
        while at + 8 <= file_size:
            number += 1
            if number > MOST_BOXES:
                raise unreadable(message("problem.media_boxes_excessive", most=f"{MOST_BOXES:,}"))
            file.seek(at)
            head = file.read(16)
            size, name = int.from_bytes(head[:4]), head[4:8]
            if size == 1:
                size = int.from_bytes(head[8:16])
            end = file_size if size == 0 else at + size
            yield name, end
            if end < at + 8:
                return
            at = end


def steady_rate(path: Path) -> str | None:
    """None if all frames have the same duration; else the frame rate to convert to, in ffmpeg's notation.

    Blocks while it reads the whole file. Raises Permanent.
    """
    try:
        with open_media(path) as container:
            stream = picture_stream(container)
            if stream is None or stream.time_base is None:
                return None
            base, stated = float(stream.time_base), float(stream.guessed_rate or 0)
            times = sorted(p.pts * base for p in packets(container, stream) if p.size and p.pts is not None)
    except (av.error.FFmpegError, ValueError) as error:
        raise Permanent("media_unreadable", *problem_text("file_read_failed", reason=message_of(error))) from error
    lasts = [after - before for before, after in pairwise(times)]
    if len(lasts) < 2 or (usual := median(lasts)) <= 0:
        return None
    slack = max(UNEVEN * usual, 2 * base)
    if all(abs(length - usual) <= slack for length in lasts):
        return None
    # The stated rate is more precise than the times, which may be in whole milliseconds.
    return _nearest_rate(stated if abs(stated * usual - 1) <= UNEVEN else 1 / usual)


def _nearest_rate(fps: float) -> str:
    return min(USUAL_RATES, key=lambda rate: abs(_number(rate) - fps))


def _number(rate: str) -> float:
    over, _, under = rate.partition("/")
    return int(over) / int(under or 1)


def _even(pixels: float) -> int:
    return max(2, 2 * round(pixels / 2))
