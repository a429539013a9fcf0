"""Films into clips, with ffmpeg and PyAV: copied where a key frame allows, encoded anew elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Event as Flag
from typing import Final

from services.generator.commands.import_ports import Clip, Film
from services.generator.commands.ports import Share
from services.generator.domain.film_cuts import Change, Span
from services.generator.media.film.copying import copy_clips
from services.generator.media.film.track import read_track
from services.generator.media.playability import KEPT_SOUND, NO_METADATA, is_plain, sdr, sound_for_mp4
from shared.core.errors import Permanent, UserError
from shared.media.ffmpeg import run_ffmpeg
from shared.media.file_type import sniff
from shared.media.graphs import arguments, media_file, moving_pictures
from shared.media.probe import Probe, probe
from shared.media.sandbox import Option

LONGEST_S: Final = 3600.0
LARGEST_SIDE: Final = 4096
SCAN_WIDTH: Final = 320  # scenes differ at any size
EARLY_S: Final = 0.0001  # before a frame's time: a rounded one is never missed
_SCENE: Final = re.compile(r"lavfi\.scd\.(score|time)=([\d.]+)")


@dataclass(frozen=True)
class ProbedFilm(Film):
    """As this cutter opened it."""

    found: Probe


class FfmpegCutter:
    """Implements `Cutter`."""

    async def open(self, path: Path, work: Path, share: Share) -> Film:
        found = await _probed(path)
        copyable = is_plain(found)
        if copyable and ("mp4" not in found.container or found.audio_codec not in (None, *KEPT_SOUND)):
            path = await _in_mp4(path, found, work / "film.mp4", share)
        return ProbedFilm(path, await asyncio.to_thread(read_track, path, copyable=copyable), found)

    async def scan(self, film: Film, threshold: float, work: Path, share: Share) -> list[Change]:
        out = work / "scenes.txt"
        scenes = moving_pictures(media_file(film.path)).filter("scale", w=SCAN_WIDTH, h=-2, flags="fast_bilinear")
        scenes = scenes.filter("scdet", threshold=f"{threshold * 100:g}", sc_pass=1)
        scenes = scenes.filter("metadata", mode="print", file=str(out))
        length = film.track.end_s - film.track.times[0]
        # Times as they are in the file, so that they are those of its packets.
        args = arguments(scenes.output("-", format="null"), global_options=("-copyts",))
        # A film without cuts leaves no frame behind for all of its length: that is no hang.
        await _run(args, timeout_s=120 + 2 * length, duration_s=film.track.end_s, share=share, patient=True)
        return _changes(await asyncio.to_thread(out.read_text) if out.exists() else "")

    async def make(self, film: Film, spans: Sequence[Span], work: Path) -> list[Clip]:
        clips = [Clip(span, work / f"{span.number:04d}.mp4", work / f"{span.number:04d}.jpg") for span in spans]
        for copied, some in groupby(clips, key=lambda clip: clip.span.copied):
            group = list(some)
            if copied:
                await _copied(film, group)
            else:
                for clip in group:
                    await _encoded(film, clip)
        for clip in clips:
            await _first_frame(clip)
        return clips


async def _probed(path: Path) -> Probe:
    if sniff(path).demuxer is None:
        raise UserError("media_unsupported", "The file is no film.", "Use MP4, MOV, MKV, WebM or AVI.")
    try:
        found = await asyncio.to_thread(probe, path)
    except Permanent as e:
        raise UserError(
            "media_unreadable",
            "The film is damaged or incomplete: it cannot be read.",
            "Upload a film that plays to its end.",
        ) from e
    if not found.width or not found.height:
        raise UserError("no_video", "The file holds no video.", "Upload a film with pictures.")
    if max(found.width, found.height) > LARGEST_SIDE:
        raise UserError(
            "video_too_large",
            f"The film has {found.width}x{found.height} pixels.",
            f"Use one of at most {LARGEST_SIDE} pixels a side.",
        )
    if found.duration_s > LONGEST_S:
        raise UserError(
            "duration_unsupported",
            f"The film lasts {found.duration_s / 60:.1f} minutes.",
            f"Use one of at most {LONGEST_S / 60:.0f} minutes, or split it first.",
        )
    return found


async def _in_mp4(path: Path, found: Probe, out: Path, share: Share) -> Path:
    """Pictures as they are, in the container and with the sound that clips can be cut from."""
    source = media_file(path, {"fflags": "+genpts"})
    options: dict[str, Option] = {"c:v": "copy", **sound_for_mp4(found), **NO_METADATA, "format": "mp4"}
    args = arguments(moving_pictures(source).output(source["a:0?"], str(out), **options))
    await _run(args, timeout_s=120 + 2 * found.duration_s, duration_s=found.duration_s, share=share)
    return out


async def _copied(film: Film, clips: Sequence[Clip]) -> None:
    stop = Flag()
    task = asyncio.ensure_future(
        asyncio.to_thread(copy_clips, film.path, [c.span for c in clips], [c.video for c in clips], stop)
    )
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()  # a thread cannot be cancelled: it sees this at its next packet
        await asyncio.wait([task])
        raise


async def _encoded(film: Film, clip: Clip) -> None:
    """In a browser's colours and with square pixels: what is copied has them already."""
    assert isinstance(film, ProbedFilm), "films are opened by this cutter"
    span, found = clip.span, film.found
    seek: dict[str, Option] = {"seek_timestamp": 1, "ss": f"{max(0.0, span.start_s - EARLY_S):.6f}"}
    source = media_file(film.path, {**seek, **found.input_options})
    pictures = moving_pictures(source).filter("setpts", expr="PTS-STARTPTS")
    pictures = sdr(pictures, found, found.width or 0, found.height or 0)
    if found.interlaced:  # the deinterlacer has halved the time base
        pictures = pictures.filter("settb", expr="intb*2")
    video: dict[str, Option] = {
        "c:v": "libx264", "preset": "superfast", "crf": 18, "fps_mode": "passthrough", "enc_time_base:v": "filter",
        "frames:v": span.frames,
    }  # fmt: skip
    sound: dict[str, Option] = {"c:a": "aac", "b:a": "192k", "ac": 2, "t": f"{span.duration_s:.6f}"}
    container: dict[str, Option] = {"movflags": "+faststart", "format": "mp4"}
    output = pictures.output(source["a:0?"], str(clip.video), **video, **sound, **NO_METADATA, **container)
    args = arguments(output)
    await _run(args, timeout_s=120 + 20 * span.duration_s)
    found = await asyncio.to_thread(probe, clip.video)
    if found.frames != span.frames:
        raise Permanent(
            "split_inexact",
            f"Segment {span.number} has {found.frames} frames instead of {span.frames}.",
            "Tell whoever runs this system, with the film.",
        )


async def _first_frame(clip: Clip) -> None:
    options: dict[str, Option] = {"frames:v": 1, "q:v": 1, "qmin": 1, "format": "image2", "update": 1}
    args = arguments(moving_pictures(media_file(clip.video)).output(str(clip.first_frame), **options))
    await _run(args, timeout_s=60)


async def _run(
    args: Sequence[str],
    *,
    timeout_s: float,
    duration_s: float | None = None,
    share: Share | None = None,
    patient: bool = False,
) -> None:
    try:
        await run_ffmpeg(args, timeout_s=timeout_s, duration_s=duration_s, on_progress=share, patient=patient)
    except Permanent as e:
        raise UserError(
            "media_unreadable",
            f"The film cannot be decoded: {e.cause.splitlines()[-1][:300]}",
            "Upload a film that plays to its end.",
        ) from e


def _changes(told: str) -> list[Change]:
    """Of each frame that begins a scene, the filter says its score, then its time."""
    values = [(name, float(value)) for name, value in _SCENE.findall(told)]
    scores = [value for name, value in values if name == "score"]
    times = [value for name, value in values if name == "time"]
    return [Change(time, score / 100) for time, score in zip(times, scores, strict=False)]
