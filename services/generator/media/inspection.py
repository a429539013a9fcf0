"""Inspects a file by decoding all of it once. Poster, filmstrip and loudness are produced in the same pass."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.generator.domain.quality import quality_of_picture, quality_of_sound, quality_of_video
from services.generator.media.base import ComparisonFiles, Inspection, MediaCheck
from services.generator.media.measurement import WIDTH, blur, measure, measure_similarities, read_median, sampled
from services.generator.media.pictures import process_picture
from services.generator.media.playability import needs_proxy, proxy, put_index_first
from services.generator.media.probing import Probed, probe_safely
from services.generator.media.quality_events import quality_events
from services.generator.media.strictness import STRICT, tolerated_errors
from services.generator.media.uploads import ingest
from services.generator.providers.base import CandidateFile
from shared.contracts.frame_sizes import ratio_label, resolution_label
from shared.contracts.messages import message, problem_text
from shared.contracts.values import AssetKind, Media
from shared.core.errors import Permanent
from shared.media.ffmpeg import run_ffmpeg
from shared.media.file_type import sniff
from shared.media.graphs import Output, Stream, arguments, media_file, moving_pictures, split
from shared.media.probe import Probe
from shared.media.sandbox import Option

POSTER_WIDTH: Final = 640
STRIP_HEIGHT: Final = 90
STRIP_FRAMES: Final = 10
SILENT_DBFS: Final = -70.0  # the absolute gate of EBU R128
NOTHING_TO_MEASURE: Final = "The pictures have nothing by which to measure it."


class FfmpegMediaProcessor:
    """Implements `MediaProcessor` with ffmpeg, PyAV and Pillow, each in a process that a crafted file cannot harm."""

    async def inspect(
        self, path: Path, kind: AssetKind, work: Path, comparison: ComparisonFiles, check: MediaCheck | None = None
    ) -> Inspection:
        return await inspect(path, kind, work, comparison, check)

    async def ingest(self, path: Path, kind: AssetKind, work: Path) -> CandidateFile:
        return await ingest(path, kind, work)


async def inspect(
    path: Path, kind: AssetKind, work: Path, comparison: ComparisonFiles, check: MediaCheck | None
) -> Inspection:
    """Raises Permanent for a file that is empty, does not decode to its end, or is silent although it must have sound.

    `check` sees what the header says before the file is decoded, so that no time is wasted on one that is far too long.
    An MP4 whose index is at its end, a WAV whose header lacks its sizes, and a joined MP3 are rewritten in place.
    """
    if path.stat().st_size == 0:
        raise Permanent("output_empty", *problem_text("output_empty"))
    if kind.is_picture:
        return await _picture(path, work)
    probed = await _probed(path)
    found = probed.probe
    if check:
        check(_media(found, None))
    return await (_video(path, probed, work, comparison) if kind is AssetKind.VIDEO else _sound(path, found, work))


async def _probed(path: Path) -> Probed:
    """Refuses web pages, and playlists that name other files, which a provider may return."""
    if sniff(path).demuxer is None:
        raise Permanent("media_unreadable", *problem_text("output_unreadable"))
    try:
        found = await probe_safely(path, mend=True)
    except Permanent as e:
        raise Permanent(e.code, e.cause, message("problem.output_unplayable.recovery")) from e
    if found is None:
        raise Permanent("media_damaged", *problem_text("output_damaged"))
    return found


async def _picture(path: Path, work: Path) -> Inspection:
    poster = work / "poster.jpg"
    try:
        result = await process_picture({"path": str(path), "poster": str(poster)}, Permanent)
    except Permanent as e:  # its advice is for the person who uploaded the picture
        raise Permanent(e.code, e.cause, message("problem.output_picture.recovery")) from e
    width, height = result["width"], result["height"]
    media = Media(
        width=width, height=height, aspect_ratio=ratio_label(width, height), resolution=resolution_label(width, height)
    )
    return Inspection(media, quality_of_picture({"sharpness": await _sharpness(poster, work)}), poster)


async def _sharpness(poster: Path, work: Path) -> float | None:
    """Of the poster: it is as wide as videos are measured, and written by us."""
    out = work / "blur.txt"
    blurred = blur(media_file(poster)["v:0"], out).output("-", format="null")
    await run_ffmpeg(arguments(blurred), timeout_s=60, folder=work)
    return read_median(out)


async def _video(path: Path, probed: Probed, work: Path, comparison: ComparisonFiles) -> Inspection:
    found = probed.probe
    if not found.width or not found.height or not found.frames:
        raise Permanent("no_video", *problem_text("output_no_video"))
    poster, strip = work / "poster.jpg", work / "filmstrip.jpg"
    every = -(-found.frames // STRIP_FRAMES)
    tiles = -(-found.frames // every)
    poster_height, tile_width = POSTER_WIDTH * found.height / found.width, STRIP_HEIGHT * found.width / found.height
    source = media_file(path)
    whole, some, small, full = split(moving_pictures(source), 4)
    whole = whole.filter("scale", w=POSTER_WIDTH, h=_even(poster_height)).filter("setsar", sar=1)
    some = sampled(some, every).filter("scale", w=_even(tile_width), h=STRIP_HEIGHT).filter("setsar", sar=1)
    some = some.filter("tile", layout=f"{tiles}x1")
    small = small.filter("scale", w=WIDTH, h=-2, flags="fast_bilinear")
    measurement = measure(small, full, found, work)
    outputs = [*measurement.outputs, _still(whole, poster), _still(some, strip)]
    if found.audio_codec:
        outputs.append(_loudness_output(source["a:0"]))
    small_copy = work / "proxy.mp4" if needs_proxy(path, found) else None
    if small_copy:
        outputs.append(proxy(source, found, small_copy))
    output = await _decode(outputs, found.duration_s, work)
    if not probed.index_first:
        await put_index_first(path)
    shares = {
        "black_share": _share(output, r"black_duration:\s*([\d.]+)", found.duration_s),
        "frozen_share": _frozen_share(output, found.duration_s),
    }
    similarities, reasons = await measure_similarities(work, found, comparison.starting_image, comparison.previous)
    taken, flashing = await asyncio.to_thread(measurement.values)
    measures = taken | shares | similarities
    events = quality_events(output, flashing, found.duration_s)
    reasons |= {name: NOTHING_TO_MEASURE for name in ("sharpness", "blockiness", "flicker") if measures[name] is None}
    return Inspection(
        _media(found, _loudness(output)),
        quality_of_video(measures, reasons).model_copy(update={"events": events}),
        poster,
        strip,
        small_copy,
        measurement.last_frame,
    )


async def _sound(path: Path, found: Probe, work: Path) -> Inspection:
    if not found.audio_codec:
        raise Permanent("no_sound", *problem_text("output_no_sound"))
    poster = work / "poster.jpg"
    heard, drawn = split(media_file(path)["a:0"], 2, audio=True)
    drawn = drawn.filter("showwavespic", size=f"{POSTER_WIDTH}x160", split_channels=0, colors="0x7fb5ff")
    strictness = tolerated_errors(path, found)
    output = await _decode([_loudness_output(heard), _still(drawn, poster)], found.duration_s, work, strictness)
    peak = re.search(r"Peak:\s+(-?[\d.]+|-inf) dBFS", output)
    if peak and float(peak.group(1)) < SILENT_DBFS:
        raise Permanent("silent", *problem_text("silent"))
    return Inspection(_media(found, _loudness(output)), quality_of_sound(), poster)


async def _decode(outputs: Sequence[Output], duration_s: float, work: Path, strictness: Sequence[str] = STRICT) -> str:
    """Decodes to the end; the first error ends it, unless some are tolerated. Returns what the filters logged."""
    args = arguments(*outputs, global_options=("-loglevel", "level+info", *strictness))
    try:
        return await run_ffmpeg(args, timeout_s=60 + 10 * duration_s, duration_s=duration_s, folder=work)
    except Permanent as e:
        raise Permanent("media_damaged", *problem_text("output_unplayable", reason=e.cause)) from e


def _still(pictures: Stream, path: Path) -> Output:
    options: dict[str, Option] = {"frames:v": 1, "q:v": 3, "format": "image2", "update": 1}
    return pictures.output(str(path), **options)


def _loudness_output(sound: Stream) -> Output:
    """Logs the loudness and the highest sample."""
    return sound.filter("ebur128", framelog="quiet", peak="sample").output("-", format="null")


def _media(found: Probe, loudness: float | None) -> Media:
    shape = {}
    if found.width and found.height:
        shape = {
            "aspect_ratio": ratio_label(found.width, found.height),
            "resolution": resolution_label(found.width, found.height),
        }
    return Media(
        width=found.width,
        height=found.height,
        duration_s=round(found.duration_s, 3),
        fps=round(found.fps, 3) if found.fps else None,
        frame_rate=found.frame_rate,
        frames=found.frames,
        variable_rate=found.variable_rate if found.frames else None,
        video_codec=found.video_codec,
        audio_codec=found.audio_codec,
        sample_rate=found.sample_rate,
        channels=found.channels,
        loudness_lufs=loudness,
        **shape,
    )


def _loudness(output: str) -> float | None:
    """EBU R128 integrated loudness; None for sound that is too short or too quiet to have one."""
    found = re.search(r"\bI:\s+(-?[\d.]+) LUFS", output)
    return float(found.group(1)) if found and float(found.group(1)) > SILENT_DBFS else None


def _share(output: str, pattern: str, duration_s: float) -> float | None:
    if duration_s <= 0:
        return None
    return round(min(1.0, sum(float(value) for value in re.findall(pattern, output)) / duration_s), 3)


def _frozen_share(output: str, duration_s: float) -> float | None:
    """The filter reports no end for a freeze that lasts until the end."""
    starts = [float(v) for v in re.findall(r"freeze_start:\s*([\d.]+)", output)]
    ended = [float(v) for v in re.findall(r"freeze_duration:\s*([\d.]+)", output)]
    if duration_s <= 0:
        return None
    still = max(0.0, duration_s - starts[-1]) if len(starts) > len(ended) else 0.0
    return round(min(1.0, (sum(ended) + still) / duration_s), 3)


def _even(pixels: float) -> int:
    return max(2, 2 * round(pixels / 2))
