"""The functions of the animatic provider. Heavy work runs in child processes, which are stopped if a call is cancelled.

They raise Permanent for input that no retry can fix (an unreadable image, an empty script), and Retryable for a full
disk, a killed process or a timeout. A file appears at `out` complete or not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from services.generator.media import worker_process as worker
from shared.contracts.frame_rates import Rate
from shared.core.errors import Permanent
from shared.core.machine import processors
from shared.core.processes import ResourceLimits, child, read_tail
from shared.media.conform import RAW_BT709, VideoFormat, conformed_video
from shared.media.ffmpeg import run_ffmpeg
from shared.media.graphs import arguments, pipe
from shared.media.sandbox import Option

_PACKAGE = __name__.rpartition(".")[0]
# Drawing and encoding take about real time; after thirty times as long the process is considered stuck.
_TIMEOUT_PER_SECOND = 30.0
_TIMEOUT_LEAST = 90.0
_MEMORY, _WRITTEN = 6 << 30, 1 << 20  # bytes that drawing may have, and write to a file (its pictures go into a pipe)
SHORTEST_SCORE_S, LONGEST_SCORE_S = 1.0, 900.0


async def render_video(
    image: Path,
    directions: str,
    *,
    seed: int,
    duration_s: float,
    width: int,
    height: int,
    fps: Rate,
    out: Path,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Writes an MP4 of round(duration_s * fps) frames: a camera move over `image` by `directions`, varied by `seed`.

    It has the format of conformed pieces (shared.media.conform), so that a compiler with the same output copies it. It
    has no sound. `on_progress` receives a share from 0 to 1.
    """
    video = VideoFormat(width, height, fps)
    frames = video.frames(duration_s)
    job = {"image": str(image), "directions": directions, "seed": seed, "duration_s": duration_s}
    job |= {"frames": frames, "width": width, "height": height}
    raw: dict[str, Option] = {
        "format": "rawvideo",
        "pix_fmt": "yuv420p",
        "s": f"{width}x{height}",
        "framerate": str(fps),
    }
    with _atomic(out) as part:
        encoding = conformed_video(video, frames, preset="superfast")
        args = arguments(pipe({**raw, **RAW_BT709}).output(str(part), **encoding))
        await _draw_into(args, job, duration_s, on_progress)


async def _draw_into(
    args: list[str], job: worker.Job, duration_s: float, on_progress: Callable[[float], None] | None
) -> None:
    """Pipes frames from the drawing child into ffmpeg. If both fail, the child's error is raised."""
    timeout_s = max(_TIMEOUT_LEAST, _TIMEOUT_PER_SECOND * duration_s)
    encoding: Permanent | None = None
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, os.fdopen(writing, "wb") as sink:
        argv, environment = worker.command(f"{_PACKAGE}.draw"), worker.environment()
        limits = ResourceLimits(_MEMORY, math.ceil(timeout_s) * processors(), _WRITTEN)  # it reads the picture
        async with child(argv, stdin=PIPE, stdout=sink.fileno(), env=environment, limits=limits) as drawing:
            sink.close()  # only the child has the pipe open now, so its exit ends the stream
            stderr = asyncio.ensure_future(read_tail(drawing.stderr))
            await worker.send(drawing, job)
            try:
                await run_ffmpeg(
                    args, timeout_s=timeout_s, duration_s=duration_s, on_progress=on_progress, stdin=source.fileno()
                )
            except Permanent as error:
                encoding = error
            source.close()  # a child that still draws gets a broken pipe
            code, text = await drawing.wait(), await stderr
    if code not in (0, worker.UNREAD):
        raise worker.failure(code, text)
    if encoding:
        raise encoding


async def draw_card(
    prompt: str,
    *,
    out: Path,
    seed: int,
    width: int,
    height: int,
    title: str | None = None,
    location: str | None = None,
) -> list[str]:
    """Draws a storyboard card for a segment without an image: a scene derived from the words, with the words as
    caption.

    PNG, or JPEG if `out` ends in .jpg. Returns warnings about characters that no font on this machine has.
    """
    with _atomic(out) as part:
        job = {"prompt": prompt, "title": title, "location": location, "seed": seed}
        job |= {"width": width, "height": height, "out": str(part)}
        result = await worker.call(
            "services.generator.providers.animatic.cards.storyboard", job, timeout_s=_TIMEOUT_LEAST
        )
    return [str(warning) for warning in result["warnings"]]


@dataclass(frozen=True)
class Spoken:
    """A sentence or word of a narration with its start and end in seconds. A sentence also names its voice."""

    text: str
    start_s: float
    end_s: float
    voice: str = ""


@dataclass(frozen=True)
class SpokenInfo:
    """The result of `speak`: `language` is the tag of the main voice; `sentences` and `words` are ordered, for
    captions."""

    duration_s: float
    sample_rate: int
    language: str
    sentences: tuple[Spoken, ...]
    words: tuple[Spoken, ...]
    warnings: tuple[str, ...]


async def speak(
    text: str,
    *,
    out: Path,
    language: str | None = None,
    guessed: str | None = None,
    voice: str | None = None,
    speed: float = 1.0,
    pitch: float = 0.0,
) -> SpokenInfo:
    """Writes narration at 48 kHz mono, about -18 LUFS, without other silence at its ends than the script asks for: FLAC
    if `out` ends in .flac, else WAV.

    `language` is a BCP 47 tag; without it the language is `guessed`, or guessed from the text, and sentences in other
    scripts have voices of their own. `<#seconds#>` and `<break/>` are pauses, also at the ends. `voice` is "female",
    "male" or an espeak-ng variant, `speed` 0.5-2, `pitch` -12..12 semitones. Raises Permanent `nothing_to_say`,
    `voice_missing`.
    """
    with _atomic(out) as part:
        job = {"text": text, "language": language, "guessed": guessed, "voice": voice, "speed": speed, "pitch": pitch}
        job["out"] = str(part)
        # Speech is synthesised about fifty times faster than it plays; ten characters play for about a second.
        result = await worker.call(
            "services.generator.providers.animatic.speech", job, timeout_s=_TIMEOUT_LEAST + len(text) / 10
        )
    return SpokenInfo(
        duration_s=result["duration_s"],
        sample_rate=result["sample_rate"],
        language=result["language"],
        sentences=tuple(Spoken(**each) for each in result["sentences"]),
        words=tuple(Spoken(**each) for each in result["words"]),
        warnings=tuple(result["warnings"]),
    )


@dataclass(frozen=True)
class Composed:
    """The result of `compose`: mood, mode, tempo, tonic as a pitch class (0 is C), and number of bars."""

    mood: str
    mode: str
    bpm: float
    tonic: int
    bars: int


async def compose(prompt: str, *, duration_s: float, seed: int, out: Path) -> Composed:
    """Writes music of exactly `duration_s` (to the sample) with an ending: 48 kHz stereo, about -16 LUFS, FLAC or WAV.

    The prompt determines mood, key, tempo, instruments and drums ("tense strings", "calm piano in D minor, 70 bpm, no
    drums"); the seed determines the notes. Raises Permanent `duration_unsupported` outside 1 s to 15 min.
    """
    if not SHORTEST_SCORE_S <= duration_s <= LONGEST_SCORE_S:
        cause = f"Music must last from {SHORTEST_SCORE_S:g} s to {LONGEST_SCORE_S:g} s, not {duration_s:g} s."
        raise Permanent("duration_unsupported", cause, "Request a shorter piece; a film repeats it.")
    with _atomic(out) as part:
        job = {"prompt": prompt, "duration_s": duration_s, "seed": seed, "out": str(part)}
        return Composed(
            **await worker.call(
                "services.generator.providers.animatic.music.score", job, timeout_s=_TIMEOUT_LEAST + 2 * duration_s
            )
        )


@contextlib.contextmanager
def _atomic(out: Path) -> Iterator[Path]:
    """A temporary file next to `out`, which is renamed to `out` on success and deleted on failure."""
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        yield part
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
