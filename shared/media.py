"""ffmpeg and probing: where the binary is, how it is run, and the one encoding that every conformed piece shares.

Pieces that are joined by stream copy must have the same parameter sets, so whoever encodes video for a film
(the animatic provider, the compiler's conform and its transition windows) takes its arguments from here.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.audio.stream
import av.error
import av.video.stream
import structlog

from shared.errors import FREE_SPACE, Permanent, Retryable
from shared.processes import Limits, bare_environment, child, read_tail
from shared.untrusted import DECODERS, file_input, open_media, unreadable

log = structlog.get_logger(__name__)

# superfast and veryfast write the same parameter sets with these arguments (ultrafast does not).
Preset = Literal["superfast", "veryfast"]

# H.264 table A-1: level, macroblocks per second, macroblocks per frame.
_LEVELS = (
    ("4.1", 245_760, 8_192),
    ("4.2", 522_240, 8_704),
    ("5.0", 589_824, 22_080),
    ("5.1", 983_040, 36_864),
    ("5.2", 2_073_600, 36_864),
    ("6.0", 4_177_920, 139_264),
    ("6.1", 8_355_840, 139_264),
    ("6.2", 16_711_680, 139_264),
)

# For the end of a filter chain, and as options of a raw input. The encoder writes its own copy into the VUI (below),
# as `-color_primaries` and `-color_trc` of the output do not reach it; frames that are not tagged lack the colr box.
TAG_BT709 = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
RAW_BT709 = ("-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")

# For one ffmpeg. 2160p in 10 bits through a dissolve was measured at 3.2 GB on two cores; every thread reserves more.
_MEMORY = (6 << 30) + (os.cpu_count() or 1) * (256 << 20)
_LARGEST_FILE = 16 << 30  # four hours of sound as floats are 5.5 GB, an hour of 2160p at 30 Mbit/s 13.5 GB
STALL_S = 120.0  # the slowest frame on a busy machine takes a tenth of this
_SIGNS_OF_LIFE = ("frame", "out_time_us", "total_size")


@dataclass(frozen=True)
class Output:
    """What a film is made of: even width and height in pixels, whole frames per second."""

    width: int
    height: int
    fps: int

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"width and height must be even and positive, not {self.width}x{self.height}")
        if not 1 <= self.fps <= 240:
            raise ValueError(f"fps must be from 1 to 240, not {self.fps}")

    def frames(self, duration_s: float) -> int:
        """Frames of a clip that lasts `duration_s`; at least one."""
        return max(1, round(duration_s * self.fps))


@dataclass(frozen=True)
class Probe:
    """What a file really holds. Sizes are as displayed (after rotation); a missing stream leaves None."""

    container: str
    duration_s: float
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    frames: int | None = None
    video_codec: str | None = None
    pix_fmt: str | None = None
    rotation: int = 0
    colour: tuple[int, int, int] = (2, 2, 2)  # matrix, transfer, primaries: code points, 2 where the file is silent
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None


def ffmpeg_exe() -> str:
    """Path of ffmpeg: `RETAKE_FFMPEG`, else the one that imageio-ffmpeg brings, else the first on PATH."""
    if chosen := os.environ.get("RETAKE_FFMPEG"):
        if found := shutil.which(chosen):
            return found
        raise Permanent("ffmpeg_missing", f"RETAKE_FFMPEG={chosen} is not an executable.", "Correct or unset it.")
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        pass
    if found := shutil.which("ffmpeg"):
        return found
    raise Permanent("ffmpeg_missing", "No ffmpeg was found.", "Install imageio-ffmpeg or set RETAKE_FFMPEG.")


def h264_level(output: Output) -> str:
    """The lowest level from 4.1 up that allows the frame size and rate; 4.1 takes 1080p up to 30 fps."""
    per_frame = -(-output.width // 16) * -(-output.height // 16)
    for level, per_second, frame_limit in _LEVELS:
        if per_frame <= frame_limit and per_frame * output.fps <= per_second:
            return level
    raise Permanent("output_too_large", f"No H.264 level takes {output.width}x{output.height} at {output.fps} fps.")


def cut_points(frames: int, fps: int) -> list[int]:
    """Frame numbers that must start a closed GOP: 0.25, 0.5 and 1 s from both ends (6, 12, 24 frames at 24 fps).

    A transition as long as one of these re-encodes only its own frames. Frame 0 always starts one and is left out.
    """
    near = {round(fps / 4), round(fps / 2), fps}
    return sorted(k for k in near | {frames - n for n in near} if 0 < k < frames)


def conformed_video_args(
    output: Output, frames: int, *, preset: Preset = "veryfast", crf: float = 20, cuttable: bool = True
) -> list[str]:
    """Output arguments for one conformed piece of exactly `frames` frames: everything between the input and the path.

    Closed GOPs without B-frames, IDRs at `cut_points` and every 2 s, constant rate, BT.709 limited range in the VUI,
    parameter sets that do not depend on the content, timescale fps * 1000, video only, faststart. Frames must reach
    the encoder at the output's size, rate and colour already (square pixels, first pts 0). A piece that will never
    be cut into again (a transition) does without the IDRs at `cut_points`: not `cuttable`.
    """
    args = ["-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-frames:v", str(frames)]
    args += ["-c:v", "libx264", "-preset", preset, "-crf", f"{crf:g}", "-pix_fmt", "yuv420p"]
    args += ["-profile:v", "high", "-level:v", h264_level(output)]
    args += ["-bf", "0", "-g", str(2 * output.fps), "-keyint_min", "1", "-sc_threshold", "0"]
    args += ["-x264-params", "stitchable=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off:sar=1/1"]
    if cuttable and (points := cut_points(frames, output.fps)):
        # A quarter of a frame early: a rounded time can never miss its frame.
        args += ["-force_key_frames", ",".join(f"{(k - 0.25) / output.fps:.6f}" for k in points)]
    args += ["-fps_mode", "cfr", "-video_track_timescale", str(output.fps * 1000)]
    return [*args, "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4"]


def media_input(source: Path | str, *options: str) -> list[str]:
    """Input arguments: a file as `shared.untrusted` opens it; a str is a pipe or a graph that `options` describe."""
    if isinstance(source, Path):
        return file_input(source, *options)
    return ["-protocol_whitelist", "pipe", *options, "-i", source]


def filter_value(text: str) -> str:
    """`text` (a path, words) as the value of a filter's option in a graph: escaped for both of ffmpeg's parsers."""
    option = re.sub(r"([\\':])", r"\\\1", text)
    return re.sub(r"([\\'\[\],;])", r"\\\1", option)


async def run_ffmpeg(
    args: Sequence[str],
    *,
    timeout_s: float,
    duration_s: float | None = None,
    on_progress: Callable[[float], None] | None = None,
    stdin: int | None = None,
    niceness: int = 0,
    patient: bool = False,
    limits: Limits | None = None,
) -> str:
    """Run ffmpeg on `args` (inputs by `media_input`, then outputs) and return the end of what it wrote to stderr.

    `on_progress` gets a share from 0 to 1 of `duration_s`, the output's length, a few times a second. `stdin` is a
    file descriptor for `pipe:0` inputs. `niceness` above 0 lets everything else on the machine go first. `STALL_S`
    without a frame, a byte or a moment more is a hang; be `patient` with work that may leave nothing behind for long.
    It knows nothing of our environment and runs within `limits`. Cancelled or late, the process is stopped for good
    before this returns.
    Raises Retryable when it ran out of time, memory or space or was killed, else Permanent, in a word or two of
    ffmpeg's; the log has more of them.
    """
    polite = ["nice", "-n", str(niceness)] if niceness else []
    argv = [*polite, ffmpeg_exe(), "-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "warning"]
    argv += ["-progress", "pipe:1", "-stats_period", "0.25", *args]
    limits = limits or Limits(_MEMORY, math.ceil(timeout_s) * (os.cpu_count() or 1), _LARGEST_FILE)
    running = child(argv, stdin=stdin, stdout=PIPE, env=bare_environment(), limits=limits)
    try:
        async with asyncio.timeout(timeout_s), running as process:
            stderr = asyncio.ensure_future(read_tail(process.stderr))
            try:
                await _follow(process.stdout, duration_s, on_progress, None if patient else STALL_S)
                said, code = await stderr, await process.wait()
            finally:
                stderr.cancel()
    except TimeoutError:
        raise Retryable("ffmpeg_timeout", f"ffmpeg was still working after {timeout_s:g} s.") from None
    if code:
        raise _failure(code, said, limits)
    return said


async def _follow(
    stream: asyncio.StreamReader | None,
    duration_s: float | None,
    on_progress: Callable[[float], None] | None,
    stall_s: float | None,
) -> None:
    """Read `-progress` lines to their end. out_time_us is N/A until the first packet is out."""
    seen: dict[str, str] = {}
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(stall_s) as patience:
            while stream is not None and (line := await stream.readline()):
                key, _, value = line.decode("ascii", "replace").strip().partition("=")
                if stall_s is not None and key in _SIGNS_OF_LIFE and seen.get(key) != value:
                    seen[key] = value
                    patience.reschedule(now() + stall_s)
                if on_progress and duration_s and key == "out_time_us" and value.lstrip("-").isdigit():
                    on_progress(min(1.0, max(0.0, int(value) / 1e6 / duration_s)))
    except TimeoutError:
        raise Retryable("ffmpeg_stalled", f"ffmpeg hung: it got no further for {stall_s:g} s.") from None


def _failure(code: int, said: str, limits: Limits) -> Permanent | Retryable:
    log.warning("ffmpeg.failed", code=code, said=said.strip().splitlines()[-8:])
    cause = _told(said) or f"ffmpeg ended with code {code} and said nothing."
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return Retryable("disk_full", f"The disk is full. {cause}", FREE_SPACE)
    if any(words in said for words in _OUT_OF_MEMORY):
        return Retryable("out_of_memory", f"ffmpeg ran out of memory. {cause}",
                         "Give the machine more memory or less to do at once, or use a smaller picture.")  # fmt: skip
    if code == -signal.SIGXFSZ:
        return Permanent("file_too_large", f"What ffmpeg wrote passed {limits.file_size / 1e9:.3g} GB.",
                         "Use a shorter or a smaller one.")  # fmt: skip
    if code == _STOPPED and "Operation not permitted" not in said:
        return Retryable("ffmpeg_killed", f"ffmpeg was told to end, or had used the {limits.cpu_s} s of processor time "
                         "that it may.")  # fmt: skip
    if code < 0:
        return Retryable("ffmpeg_killed", f"ffmpeg was ended by {_signal_name(-code)}.",
                         "Give the machine more memory if it has little, or use another file.")  # fmt: skip
    return Permanent("ffmpeg_failed", cause, "Check that the file is complete and plays.")


# What follows from an error that was told before.
_ECHOES = ("Conversion failed", "Terminating thread", "Error opening output file", "Task finished with error",
           "Nothing was written into output", "Error while decoding: ", "Error while opening decoder")  # fmt: skip


def _told(said: str) -> str:
    """The line that names what went wrong, without the names and addresses of ffmpeg's parts."""
    lines = [re.sub(r"^(\[[^\]]*\]\s*)+", "", line).strip() for line in said.splitlines()]
    lines = [line for line in lines if line]
    telling = [line for line in lines if not line.startswith(_ECHOES)]
    return (telling or lines or [""])[-1][:300]


_STOPPED = 255  # its exit code after a signal that it catches: SIGTERM, SIGINT, SIGXCPU
# As glibc, musl and ffmpeg say it; a thread that finds no room for its stack is "temporarily unavailable".
_OUT_OF_MEMORY = ("Cannot allocate memory", "Out of memory", "Resource temporarily unavailable", "bad_alloc")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def probe(path: Path | str) -> Probe:
    """Read what a media file holds. Blocks (decodes one frame): call it in a thread.

    Raises Permanent `media_unreadable` when the file is not media.
    """
    try:
        with open_media(path) as container:
            video = picture_stream(container)
            found: dict[str, object] = _audio(container)
            length = float(container.duration / av.time_base) if container.duration else 0.0
            if video is not None:
                found |= _video(container, video)
                length = _stream_length(video) or length
            return Probe(container=container.format.name, duration_s=length, **found)  # type: ignore[arg-type]
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        raise unreadable(in_words(error)) from error


def in_words(error: Exception) -> str:
    """What a reader of media says, without our own path of the file."""
    said = getattr(error, "strerror", None) or str(error)
    return f"{said.rstrip('.')}."


def picture_stream(container: av.container.InputContainer) -> av.video.stream.VideoStream | None:
    """The first stream of moving pictures: a cover is none."""
    return next((s for s in container.streams.video if not _is_cover(s)), None)


def _is_cover(stream: av.video.stream.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _codec(stream: av.audio.stream.AudioStream | av.video.stream.VideoStream) -> str:
    # None where no decoder is known, whatever the types say.
    if getattr(stream, "codec_context", None) is None:
        raise ValueError("one of its streams is in a format that is not known")
    if stream.codec_context.name not in DECODERS:
        raise ValueError(f"one of its streams is {stream.codec_context.name}, which is not taken here")
    return stream.codec_context.name


def _stream_length(stream: av.video.stream.VideoStream) -> float | None:
    if stream.duration is None or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


def _audio(container: av.container.InputContainer) -> dict[str, object]:
    if not container.streams.audio:
        return {}
    audio = container.streams.audio[0]
    codec = _codec(audio)
    return {
        "audio_codec": codec,
        "sample_rate": audio.codec_context.sample_rate,
        "channels": audio.codec_context.channels,
    }


def _video(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> dict[str, object]:
    frames = stream.frames or sum(1 for packet in container.demux(stream) if packet.size)
    container.seek(0)
    frame = next(container.decode(stream), None)
    rotation = frame.rotation if frame else 0
    width, height = (frame.width, frame.height) if frame else (stream.width, stream.height)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    width = round(width * aspect)  # as displayed: pixels that are not square are stretched
    if rotation % 180:
        width, height = height, width
    rate = stream.average_rate or stream.guessed_rate
    return {
        "width": width,
        "height": height,
        "fps": float(rate) if rate else None,
        "frames": frames,
        "video_codec": _codec(stream),
        "pix_fmt": frame.format.name if frame else stream.pix_fmt,
        "rotation": rotation,
        "colour": (frame.colorspace, frame.color_trc, frame.color_primaries) if frame else (2, 2, 2),
    }
