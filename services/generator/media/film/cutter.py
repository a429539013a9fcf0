"""Cuts films into clips with ffmpeg and PyAV: by copying where key frames allow it, else by encoding."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from services.generator.domain.film_splits import ClipSpan, FrameTimeline, SceneChange
from services.generator.media.playability import KEPT_SOUND, NO_METADATA, is_plain, sdr, sound_for_mp4
from services.generator.media.probing import probe_safely
from services.generator.providers.base import OnProgress
from shared.contracts.messages import problem_text
from shared.core.confinement import Files
from shared.core.errors import Permanent, UserError
from shared.core.processes import ResourceLimits
from shared.media.ffmpeg import run_ffmpeg
from shared.media.file_type import sniff
from shared.media.graphs import arguments, media_file, moving_pictures
from shared.media.probe import Probe
from shared.media.sandbox import Option
from shared.sandbox.channel import Job
from shared.sandbox.jobs import run_job

LONGEST_S: Final = 3600.0
LARGEST_SIDE: Final = 4096  # pixels
SCAN_WIDTH: Final = 320  # pixels; scene changes are found at any size
SEEK_MARGIN_S: Final = 0.0001  # seeking a little early never misses a frame whose time was rounded
_READ_S: Final = 900.0  # 2 GiB are copied once, from a slow disk
_LIMITS: Final = ResourceLimits(memory=3 << 30, cpu_s=600, file_size=4 << 30, open_files=1024)
_WORKER: Final = "services.generator.media.film.film_worker"
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
        return OpenedFilm(path, await _timeline(path, copyable), found)

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
            args,
            timeout_s=120 + 2 * length,
            duration_s=film.timeline.end_s,
            on_progress=on_progress,
            patient=True,
            folder=work,
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
        probed = await probe_safely(path)
    except Permanent as e:
        raise UserError("media_unreadable", *problem_text("film_unreadable")) from e
    if probed is None:
        raise UserError("media_damaged", *problem_text("media_damaged"))
    found = probed.probe
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


async def _timeline(path: Path, copyable: bool) -> FrameTimeline:
    found = await _read(path, {"copyable": copyable})
    return FrameTimeline(found["times"], found["end_s"], frozenset(found["starts"]), frozenset(found["ends"]))


async def _read(path: Path, job: Job, write: tuple[Path, ...] = ()) -> Job:
    """What `film_worker` does. Raises UserError that says what is wrong with the film, or Retryable."""
    job = job | {"path": str(path.absolute())}
    try:
        return await run_job(_WORKER, job, timeout_s=_READ_S, limits=_LIMITS, files=Files(read=(path,), write=write))
    except Permanent as e:
        if e.code != "worker_failed":
            raise
        raise UserError("media_unreadable", *problem_text("film_unreadable")) from e  # out of memory, or an error of it


async def _in_mp4(path: Path, found: Probe, out: Path, on_progress: OnProgress) -> Path:
    """The same pictures, in a container and with sound that clips can be cut from."""
    source = media_file(path, {"fflags": "+genpts"})
    options: dict[str, Option] = {"c:v": "copy", **sound_for_mp4(found), **NO_METADATA, "format": "mp4"}
    args = arguments(moving_pictures(source).output(source["a:0?"], str(out), **options))
    await _run(args, timeout_s=120 + 2 * found.duration_s, duration_s=found.duration_s, on_progress=on_progress)
    return out


async def _copy(film: OpenedFilm, clips: Sequence[ClipFiles]) -> None:
    job = {"spans": [asdict(c.span) for c in clips], "to": [str(c.video.absolute()) for c in clips]}
    await _read(film.path, job, write=tuple({c.video.parent for c in clips}))


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
    probed = await probe_safely(clip.video)
    frames = probed.probe.frames if probed else None
    if frames != span.frames:
        raise Permanent(
            "split_inexact", *problem_text("split_inexact", number=span.number, frames=frames, expected=span.frames)
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
    folder: Path | None = None,
) -> None:
    try:
        await run_ffmpeg(
            args, timeout_s=timeout_s, duration_s=duration_s, on_progress=on_progress, patient=patient, folder=folder
        )
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
