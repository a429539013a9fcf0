"""Child processes that never outlive this one: stopped when their task is cancelled, killed when it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.core.confinement import Files
from shared.core.isolation import isolated

# Between SIGTERM and SIGKILL. ffmpeg was seen to ignore SIGTERM for ten minutes, so SIGKILL always follows.
STOP_GRACE_S = 2.0

# A sibling process that holds the read end of a pipe whose write end only this process has. End of file without a word
# means that this process died: the guard kills the child's whole group. Portable; needs no code between fork and exec.
_GUARD = 'read -r word && exit 0; kill -9 -"$1" 2>/dev/null'

# The child executes `argv` only after it has read a line, which is written once its guard runs. If this process dies
# before that, the child reads end of file and exits.
_GATE = 'read -r go <"/dev/fd/$1" || exit 1; shift; exec "$@"'

# Environment variables for programs that read untrusted files: paths and locales, never a password or a key.
_INHERITED: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "XDG_CACHE_HOME", "FONTCONFIG_PATH",
    "FONTCONFIG_FILE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONPATH",
    "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "RETAKE_FFMPEG",
)  # fmt: skip
_CPU_GRACE_S: Final = 5  # between SIGXCPU, which lets a program report why it ends, and SIGKILL


@dataclass(frozen=True)
class ResourceLimits:
    """The limits of a child: bytes of address space, seconds of CPU time over all threads, bytes of one file."""

    memory: int
    cpu_s: int
    file_size: int
    open_files: int = 256

    def shell(self) -> str:
        """Shell commands that set them. A limit that the system lacks (macOS: memory) or has lower already is left."""
        options = ("-c 0", f"-S -t {self.cpu_s}", f"-H -t {self.cpu_s + _CPU_GRACE_S}", f"-v {self.memory >> 10}",
                f"-f {self.file_size >> 9}", f"-n {self.open_files}")  # fmt: skip
        return "".join(f"ulimit {option} 2>/dev/null; " for option in options)


@contextlib.asynccontextmanager
async def child(
    argv: Sequence[str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    limits: ResourceLimits | None = None,
    offline: bool | None = None,
    files: Files | None = None,
) -> AsyncIterator[Process]:
    """Runs `argv` in a process group of its own; it is stopped at the end of the block if it still runs.

    `stdin` and `stdout` are file descriptors or `asyncio.subprocess.PIPE`; left out they are /dev/null.
    stderr is always a pipe and must be read (see `read_tail`). `env` is its whole environment (see
    `bare_environment`); left out, it inherits this process's. A child with `limits`, or that is `offline`, is isolated
    (see `isolated`) and may use `files` only, as far as the kernel enforces that. Raises FileNotFoundError if there is
    no such program.
    """
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(errno.ENOENT, "No such program", argv[0])
    prefix = isolated(files) if offline or (offline is None and limits is not None) else ()
    reader, writer = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", (limits.shell() if limits else "") + _GATE, "gate", str(reader), *prefix, *argv,
            stdin=DEVNULL if stdin is None else stdin,
            stdout=DEVNULL if stdout is None else stdout,
            stderr=PIPE,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
            pass_fds=(reader,),
        )  # fmt: skip
    except BaseException:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    try:
        async with _guarded(process.pid, writer):
            try:
                yield process
            finally:
                # Shielded: a second cancellation must not leave the child running.
                await asyncio.shield(asyncio.ensure_future(stop(process)))
    except BaseException:
        _signal_group(process, signal.SIGKILL)  # the guard itself could not be started
        raise


def bare_environment() -> dict[str, str]:
    """This process's environment without secrets: only what programs need to find their files."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


async def stop(process: Process) -> None:
    """Stops a child and its group: SIGTERM, then SIGKILL after `STOP_GRACE_S`. Does nothing if it has ended."""
    if process.returncode is not None:
        return
    _signal_group(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_GRACE_S):
            await process.wait()
    except TimeoutError:
        _signal_group(process, signal.SIGKILL)
        await process.wait()


async def read_tail(stream: asyncio.StreamReader | None, limit: int = 16_384) -> str:
    """Reads a pipe to its end and returns its last `limit` bytes as text, so that no amount of output fills memory."""
    tail = b""
    while stream is not None and (chunk := await stream.read(65_536)):
        tail = (tail + chunk)[-limit:]
    return tail.decode("utf-8", "replace")


@contextlib.asynccontextmanager
async def _guarded(pid: int, gate: int) -> AsyncIterator[None]:
    """Starts the child's guard, then lets the child execute its program."""
    try:
        guard = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _GUARD, "guard", str(pid),
            stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True,
        )  # fmt: skip
        with contextlib.suppress(BrokenPipeError):
            os.write(gate, b"go\n")
    finally:
        os.close(gate)
    assert guard.stdin is not None
    try:
        yield
    finally:
        guard.stdin.write(b"done\n")
        guard.stdin.close()
        await asyncio.shield(asyncio.ensure_future(guard.wait()))


def _signal_group(process: Process, number: signal.Signals) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
