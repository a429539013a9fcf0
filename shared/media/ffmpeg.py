"""Running ffmpeg: where it is, within which limits it works, and what its failures mean in words."""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from shared.core.errors import FREE_SPACE, Permanent, Retryable
from shared.core.processes import ResourceLimits, bare_environment, child, read_tail
from shared.media.sandbox import file_input

log = structlog.get_logger(__name__)

# For one ffmpeg. 2160p in 10 bits through a dissolve was measured at 3.2 GB on two cores; every thread reserves more.
_MEMORY = (6 << 30) + (os.cpu_count() or 1) * (256 << 20)
_LARGEST_FILE = 16 << 30  # four hours of sound as floats are 5.5 GB, an hour of 2160p at 30 Mbit/s 13.5 GB
STALL_S = 120.0  # the slowest frame on a busy machine takes a tenth of this
_SIGNS_OF_LIFE = ("frame", "out_time_us", "total_size")


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


def media_input(source: Path | str, *options: str) -> list[str]:
    """Input arguments: a file as `shared.media.sandbox` opens it; a str is a pipe or graph that `options` describe."""
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
    limits: ResourceLimits | None = None,
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
    limits = limits or ResourceLimits(_MEMORY, math.ceil(timeout_s) * (os.cpu_count() or 1), _LARGEST_FILE)
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


def _failure(code: int, said: str, limits: ResourceLimits) -> Permanent | Retryable:
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
