"""Runs ffmpeg: finds it, limits it, follows its progress and explains its failures."""

from __future__ import annotations

import asyncio
import math
import os
import re
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import structlog

from shared.contracts.messages import message, problem_text
from shared.core.confinement import Files
from shared.core.errors import FREE_SPACE, Permanent, Retryable
from shared.core.machine import available_processors, memory_limit, processors
from shared.core.processes import ResourceLimits, bare_environment, child, read_tail

log = structlog.get_logger(__name__)

# For one ffmpeg. 2160p in 10 bits through a dissolve was measured at 3.2 GB on two cores; every thread reserves more.
# Within a container no more than its limit: ffmpeg then ends with a message, where the kernel would end the container.
_MEMORY = min((6 << 30) + processors() * (256 << 20), memory_limit() or 1 << 62)
# Programs see all processors of the machine, also in a container that may use the time of few.
_THREADS = processors() if processors() < available_processors() else None
_LARGEST_FILE = 16 << 30  # four hours of sound as floats are 5.5 GB, an hour of 2160p at 30 Mbit/s 13.5 GB
STALL_S = 120.0  # the slowest frame on a busy machine takes a tenth of this
_PROGRESS_KEYS = ("frame", "out_time_us", "total_size")


def ffmpeg_exe() -> str:
    """Path of ffmpeg: `RETAKE_FFMPEG`, else the binary of imageio-ffmpeg, else the first on PATH.

    Raises Permanent `ffmpeg_missing`.
    """
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
    folder: Path | None = None,
    reads: Sequence[Path] = (),
) -> str:
    """Runs ffmpeg on `args` (`shared.media.graphs.arguments`) and returns the end of what it wrote to stderr.

    `on_progress` receives, a few times a second, a share from 0 to 1 of `duration_s`, the output's length in seconds.
    `stdin` is a file descriptor for `pipe:0` inputs. `niceness` above 0 gives way to everything else on the machine.
    `STALL_S` seconds without another frame, byte or moment of output count as a hang, unless the work may write
    nothing for a long time: `patient`. The process does not see our environment, runs within `limits`, and may use its
    inputs and the folders of its outputs only (see `isolated`), and, for its filters, `folder` and what it `reads`. It
    is stopped before this returns, also on cancellation or time-out.
    Raises Retryable when ffmpeg ran out of time, memory or disk space or was killed, otherwise Permanent, with the
    line of ffmpeg's output that names the cause; the log has more of it.
    """
    prefix = ["nice", "-n", str(niceness)] if niceness else []
    program = ffmpeg_exe()
    argv = [*prefix, program, "-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "level+warning"]
    argv += ["-progress", "pipe:1", "-stats_period", "0.25", *with_threads(args, _THREADS)]
    limits = limits or ResourceLimits(_MEMORY, math.ceil(timeout_s) * processors(), _LARGEST_FILE)
    files = _files(args, (program, *reads), folder)
    running = child(argv, stdin=stdin, stdout=PIPE, env=bare_environment(), limits=limits, files=files)
    try:
        async with asyncio.timeout(timeout_s), running as process:
            stderr = asyncio.ensure_future(read_tail(process.stderr))
            try:
                await _follow(process.stdout, duration_s, on_progress, None if patient else STALL_S)
                stderr_text, code = await stderr, await process.wait()
            finally:
                stderr.cancel()
    except TimeoutError:
        raise Retryable("ffmpeg_timeout", message("problem.ffmpeg_timeout", seconds=f"{timeout_s:g}")) from None
    if code:
        raise _failure(code, stderr_text, limits)
    return stderr_text


def with_threads(args: Sequence[str], threads: int | None) -> list[str]:
    """A command line of `graphs.arguments` whose decoders, filters and encoders use so many threads, unless it says
    otherwise itself; None: as many as they choose, by the processors that the system shows."""
    if threads is None:
        return list(args)
    made = ["-filter_threads", str(threads), "-filter_complex_threads", str(threads)]
    section: list[str] = []  # of one file: its options come before it
    for before, arg in pairwise(["", *args]):
        section.append(arg)
        is_input = before == "-i"
        if is_input or arg == "-" or arg.startswith("/"):
            if "-threads" not in section:
                section[-2 if is_input else -1 : -2 if is_input else -1] = ["-threads", str(threads)]
            made += section
            section = []
    return made + section


def _files(args: Sequence[str], reads: Sequence[Path | str], folder: Path | None) -> Files:
    """What a command line of `graphs.arguments` names: inputs behind -i, and outputs."""
    inputs = [after.removeprefix("file:") for option, after in pairwise(args) if option == "-i"]
    outputs = [Path(arg) for option, arg in pairwise(["", *args]) if arg.startswith("/") and option != "-i"]
    # A device is written itself.
    written = {path if path.exists() and not path.is_file() else path.parent for path in outputs}
    return Files((*reads, *inputs), tuple(written | ({folder} if folder else set())))


async def _follow(
    stream: asyncio.StreamReader | None,
    duration_s: float | None,
    on_progress: Callable[[float], None] | None,
    stall_s: float | None,
) -> None:
    """Reads `-progress` lines to their end. out_time_us is N/A until the first packet was written."""
    seen: dict[str, str] = {}
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(stall_s) as stall:
            while stream is not None and (line := await stream.readline()):
                key, _, value = line.decode("ascii", "replace").strip().partition("=")
                if stall_s is not None and key in _PROGRESS_KEYS and seen.get(key) != value:
                    seen[key] = value
                    stall.reschedule(now() + stall_s)
                if on_progress and duration_s and key == "out_time_us" and value.lstrip("-").isdigit():
                    on_progress(min(1.0, max(0.0, int(value) / 1e6 / duration_s)))
    except TimeoutError:
        raise Retryable("ffmpeg_stalled", message("problem.ffmpeg_stalled", seconds=f"{stall_s:g}")) from None


def _failure(code: int, stderr_text: str, limits: ResourceLimits) -> Permanent | Retryable:
    log.warning("ffmpeg.failed", code=code, stderr=stderr_text.strip().splitlines()[-8:])
    cause = _cause_line(stderr_text) or message("problem.ffmpeg_failed", status=code)
    if "No space left on device" in stderr_text or "Disk quota exceeded" in stderr_text:
        return Retryable("disk_full", message("problem.disk_full", reason=cause), FREE_SPACE)
    if any(words in stderr_text for words in _OUT_OF_MEMORY):
        return Retryable("out_of_memory", *problem_text("out_of_memory", reason=cause))
    if code == -signal.SIGXFSZ:
        return Permanent("file_too_large", *problem_text("file_too_large", gigabytes=f"{limits.file_size / 1e9:.3g}"))
    if code == _STOPPED and "Operation not permitted" not in stderr_text:
        return Retryable("ffmpeg_killed", message("problem.ffmpeg_stopped", seconds=limits.cpu_s))
    if code < 0:
        return Retryable("ffmpeg_killed", *problem_text("ffmpeg_killed", signal=_signal_name(-code)))
    return Permanent("ffmpeg_failed", cause, message("problem.ffmpeg_failed.recovery"))


# Messages that only follow from an earlier error.
_ECHOES = ("Conversion failed", "Terminating thread", "Error opening output file", "Task finished with error",
           "Nothing was written into output", "Error while decoding: ", "Error while opening decoder",
           "Could not open encoder before EOF")  # fmt: skip
# Messages about a component's part in an error, which the component itself has described.
_GENERAL = ("Error submitting packet to decoder", "Error processing packet in decoder", "Decoding error",
            "Error submitting a packet to the muxer", "Error while filtering")  # fmt: skip
_STATISTICS = re.compile(r"(frame|size|Lsize)=|(video|audio):\d+KiB")
_PREFIXES = re.compile(r"^(\[[^\]]*\]\s*)+")
_LEVELS = ("[fatal]", "[error]", "[panic]")
_PATH = re.compile(r"'?\b(?:file:)?/[^\s':]+'?|'?file:[^\s']+'?")


def _cause_line(stderr_text: str) -> str:
    """The line that names a cause, without names, addresses and paths: an error of a decoder, else of ffmpeg.

    What ffmpeg tells of its progress or of its output is no cause.
    """
    lines: list[tuple[bool, str]] = []
    for line in stderr_text.splitlines():
        prefix = found.group() if (found := _PREFIXES.match(line)) else ""
        message = line.removeprefix(prefix).strip()
        if message and not _STATISTICS.match(message):
            lines.append((any(level in prefix for level in _LEVELS), message))
    errors = [message for is_error, message in lines if is_error] or [message for _, message in lines]
    causes = [message for message in errors if not message.startswith(_ECHOES)]
    details = [message for message in causes if not message.startswith(_GENERAL)]
    return _PATH.sub("the file", (details or causes or errors or [""])[-1])[:300]


_STOPPED = 255  # its exit code after a signal that it catches: SIGTERM, SIGINT, SIGXCPU
# Wording of glibc, musl and ffmpeg; "temporarily unavailable" is a thread that got no memory for its stack.
_OUT_OF_MEMORY = ("Cannot allocate memory", "Out of memory", "Resource temporarily unavailable", "bad_alloc")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
