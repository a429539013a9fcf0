"""Cuts films into clips with ffmpeg and PyAV: by copying where key frames allow it, else by encoding."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Event as Flag
from typing import Final

from services.generator.domain.film_splits import ClipSpan, FrameTimeline, SceneChange
from services.generator.media.film.packet_copy import copy_clips
from services.generator.media.film.timeline import read_timeline
from services.generator.media.playability import KEPT_SOUND, NO_METADATA, is_plain, sdr, sound_for_mp4
from services.generator.providers.base import OnProgress
from shared.contracts.messages import problem_text
from shared.core.errors import Permanent, UserError
from shared.media.ffmpeg import run_ffmpeg
from shared.media.file_type import sniff
from shared.media.graphs import arguments, media_file, moving_pictures
from shared.media.probe import Probe, probe
from shared.media.sandbox import Option

LONGEST_S: Final = 3600.0
LARGEST_SIDE: Final = 4096  # pixels
SCAN_WIDTH: Final = 320  # pixels; scene changes are found at any size
SEEK_MARGIN_S: Final = 0.0001  # seeking a little early never misses a frame whose time was rounded
_SCENE: Final = re.compile(r"lavfi\.scd\.(score|time)=([\d.]+)")


@dataclass(frozen=True)
class OpenedFilm:
    """A film that can be cut: `path` holds what clips are made of."""

    path: Path
    timeline: FrameTimeline
    found: Probe


@dataclass(frozen=True)
class ClipFiles:
    """Files in the work folder, of one span."""

    span: ClipSpan
    video: Path
    first_frame: Path


class FilmCutter:
    """Raises UserError that says what is wrong with the film, or Retryable; stops when it is cancelled."""

    async def open(self, path: Path, work: Path, on_progress: OnProgress) -> OpenedFilm:
        """Reads the film's frames, and converts its sound and container where clips need that."""
        found = await _probed(path)
        copyable = is_plain(found)
        if copyable and ("mp4" not in found.container or found.audio_codec not in (None, *KEPT_SOUND)):
            path = await _in_mp4(path, found, work / "film.mp4", on_progress)
        return OpenedFilm(path, await asyncio.to_thread(read_timeline, path, copyable=copyable), found)

    async def find_scene_changes(
        self, film: OpenedFilm, threshold: float, work: Path, on_progress: OnProgress
    ) -> list[SceneChange]:
        """Where the picture changes by more than `threshold` (0 to 1)."""
        out = work / "scenes.txt"
        scenes = moving_pictures(media_file(film.path)).filter("scale", w=SCAN_WIDTH, h=-2, flags="fast_bilinear")
        scenes = scenes.filter("scdet", threshold=f"{threshold * 100:g}", sc_pass=1)
        scenes = scenes.filter("metadata", mode="print", file=str(out))
        length = film.timeline.end_s - film.timeline.times[0]
        # Times as they are in the file, so that they match those of its packets.
        args = arguments(scenes.output("-", format="null"), global_options=("-copyts",))
        # A film without scene changes outputs no frame for its whole length: that does not mean that ffmpeg hangs.
        await _run(
            args, timeout_s=120 + 2 * length, duration_s=film.timeline.end_s, on_progress=on_progress, patient=True
        )
        return _changes(await asyncio.to_thread(out.read_text) if out.exists() else "")

    async def cut(self, film: OpenedFilm, spans: Sequence[ClipSpan], work: Path) -> list[ClipFiles]:
        """Clips of adjacent spans, in their order."""
        clips = [ClipFiles(span, work / f"{span.number:04d}.mp4", work / f"{span.number:04d}.jpg") for span in spans]
        for copied, some in groupby(clips, key=lambda clip: clip.span.copied):
            group = list(some)
            if copied:
                await _copy(film, group)
            else:
                for clip in group:
                    await _encode(film, clip)
        for clip in clips:
            await _write_first_frame(clip)
        return clips


async def _probed(path: Path) -> Probe:
    if sniff(path).demuxer is None:
        raise UserError("media_unsupported", *problem_text("media_unsupported"))
    try:
        found = await asyncio.to_thread(probe, path)
    except Permanent as e:
        raise UserError("media_unreadable", *problem_text("film_unreadable")) from e
    if not found.width or not found.height:
        raise UserError("no_video", *problem_text("film_no_video"))
    if max(found.width, found.height) > LARGEST_SIDE:
        raise UserError(
            "video_too_large",
            *problem_text("film_video_too_large", width=found.width, height=found.height, longest_side=LARGEST_SIDE),
        )
    if found.duration_s > LONGEST_S:
        raise UserError(
            "duration_unsupported",
            *problem_text(
                "film_duration_unsupported", minutes=f"{found.duration_s / 60:.1f}", minutes_max=f"{LONGEST_S / 60:.0f}"
            ),
        )
    return found


async def _in_mp4(path: Path, found: Probe, out: Path, on_progress: OnProgress) -> Path:
    """The same pictures, in a container and with sound that clips can be cut from."""
    source = media_file(path, {"fflags": "+genpts"})
    options: dict[str, Option] = {"c:v": "copy", **sound_for_mp4(found), **NO_METADATA, "format": "mp4"}
    args = arguments(moving_pictures(source).output(source["a:0?"], str(out), **options))
    await _run(args, timeout_s=120 + 2 * found.duration_s, duration_s=found.duration_s, on_progress=on_progress)
    return out


async def _copy(film: OpenedFilm, clips: Sequence[ClipFiles]) -> None:
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


async def _encode(film: OpenedFilm, clip: ClipFiles) -> None:
    """With colours and square pixels that browsers show correctly; clips that are copied have them already."""
    span, found = clip.span, film.found
    seek: dict[str, Option] = {"seek_timestamp": 1, "ss": f"{max(0.0, span.start_s - SEEK_MARGIN_S):.6f}"}
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
            *problem_text("split_inexact", number=span.number, frames=found.frames, expected=span.frames),
        )


async def _write_first_frame(clip: ClipFiles) -> None:
    options: dict[str, Option] = {"frames:v": 1, "q:v": 1, "qmin": 1, "format": "image2", "update": 1}
    args = arguments(moving_pictures(media_file(clip.video)).output(str(clip.first_frame), **options))
    await _run(args, timeout_s=60)


async def _run(
    args: Sequence[str],
    *,
    timeout_s: float,
    duration_s: float | None = None,
    on_progress: OnProgress | None = None,
    patient: bool = False,
) -> None:
    try:
        await run_ffmpeg(args, timeout_s=timeout_s, duration_s=duration_s, on_progress=on_progress, patient=patient)
    except Permanent as e:
        raise UserError(
            "media_unreadable",
            f"The film cannot be decoded: {e.cause.splitlines()[-1][:300]}",
            "Upload a film that plays to its end.",
        ) from e


def _changes(output: str) -> list[SceneChange]:
    """The filter prints, for each frame that begins a scene, its score and then its time."""
    values = [(name, float(value)) for name, value in _SCENE.findall(output)]
    scores = [value for name, value in values if name == "score"]
    times = [value for name, value in values if name == "time"]
    return [SceneChange(time, score / 100) for time, score in zip(times, scores, strict=False)]
