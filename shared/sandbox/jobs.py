"""Runs a job on untrusted bytes in a process of its own, which the kernel confines: see `server`.

    result = await run_job("services.generator.media.probe_worker", {"path": …}, timeout_s=60, limits=…, files=…)

calls that module's `work` with the job. A process is forked in milliseconds, where Python and its libraries take half a
second to start.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from shared.contracts.messages import message
from shared.core.confinement import Files
from shared.core.errors import Permanent, Retryable, UserError
from shared.core.isolation import enforced, without_network
from shared.core.processes import ResourceLimits, bare_environment, read_tail
from shared.sandbox.channel import HEAD, Job, Message, decode, encode, length
from shared.sandbox.server import EXIT, HEADER, KILL, RUN, STARTED

_ROOT: Final = Path(__file__).parents[2]
_ERRORS: Final = {kind.__name__: kind for kind in (Permanent, Retryable, UserError)}
_TRIES: Final = 2
STARTS_S: Final = 30.0  # a fork takes milliseconds; a job's libraries, once, some seconds of a busy machine
ENDS_S: Final = 10.0
"""A warm process that does not begin, or end, a job within this is stopped, or hangs: it is replaced."""
_numbers = itertools.count()

Answer = Callable[[Message], Message]


class _Died(Exception):
    """The warm process ended before the job began."""


class _Warm:
    """The warm process of this process. It is started when it is needed, and again after it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = 0

    async def control(self) -> socket.socket:
        """Where jobs are asked for."""
        if self._control is None or self._owner != os.getpid():
            return await asyncio.to_thread(self._start)
        return self._control

    async def forget(self, control: socket.socket) -> None:
        """The one that was asked there has ended."""
        await asyncio.to_thread(self._forget, control)

    def _start(self) -> socket.socket:
        with self._lock:
            if self._control is not None and self._owner == os.getpid():
                return self._control
            ours, theirs = socket.socketpair()
            prefix = () if enforced().seccomp else without_network()
            with theirs:
                self._process = subprocess.Popen(
                    [*prefix, sys.executable, "-P", "-m", "shared.sandbox.server"],
                    stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=_environment(), start_new_session=True,
                )  # fmt: skip
            self._control, self._owner = ours, os.getpid()
            return ours

    def _forget(self, control: socket.socket) -> None:
        with self._lock:
            if self._control is control:
                control.close()
                assert self._process is not None
                self._process.kill()  # it would end by itself, now that nobody can ask it, but not while it is stopped
                self._process.wait()
                self._control = self._process = None


def _environment() -> dict[str, str]:
    """Without secrets; with this source tree on the path and one thread per library."""
    path = os.pathsep.join(p for p in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if p)
    return {**bare_environment(), "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


_warm = _Warm()


async def run_job(
    module: str, job: Job, *, timeout_s: float, limits: ResourceLimits, files: Files, answer: Answer | None = None
) -> Job:
    """The result of `work(job)` of `module`, in a process that may use `files` only and ends with its job.

    `answer` answers what the job asks (`server.ask`) while it runs, in a thread: for a key that the job must not have.
    Raises the job's own error (Permanent, UserError, Retryable); Retryable `worker_timeout` and `worker_killed`;
    Permanent `worker_failed` for any other exception, such as MemoryError. The process has ended when this returns.
    """
    order = {
        "job": job, "limits": asdict(limits), "in_force": enforced(),
        "files": [[str(path.absolute()) for path in map(Path, paths)] for paths in files],
    }  # fmt: skip
    try:
        async with asyncio.timeout(timeout_s):
            for _ in range(_TRIES):
                with suppress(_Died):
                    return await _run(module, order, answer)
    except TimeoutError:
        cause = message("problem.worker_timeout", module=module, seconds=f"{timeout_s:g}")
        raise Retryable("worker_timeout", cause) from None
    raise _killed(signal.SIGKILL)


async def _run(module: str, order: Message, answer: Answer | None) -> Job:
    control, number, name = await _warm.control(), next(_numbers) & 0xFFFFFFFF, module.encode()
    ours, theirs = socket.socketpair()
    (said, say), (state, tell) = _pipe(), _pipe()
    try:
        with theirs:
            socket.send_fds(control, [HEADER.pack(RUN, number, len(name)) + name], [theirs.fileno(), say, tell])
    except OSError:
        for end in (said, state):
            end.close()
        ours.close()
        await _warm.forget(control)
        raise _Died from None
    finally:
        os.close(say)
        os.close(tell)
    async with _connected(ours) as (reader, writer), _reading(said) as errors, _reading(state) as states:
        tail = asyncio.ensure_future(read_tail(errors))
        try:
            if await _first(states) != STARTED:
                await _warm.forget(control)
                raise _Died
            told = await _converse(reader, writer, order, answer)
            code = EXIT.unpack(await states.readexactly(EXIT.size))[0]
            return _result(told, code, await tail)
        except asyncio.IncompleteReadError:  # the warm process was killed, and its jobs with it
            raise _killed(signal.SIGKILL) from None
        except BaseException:
            with suppress(OSError):
                control.send(HEADER.pack(KILL, number, 0))
            await asyncio.shield(asyncio.ensure_future(_ended(states, control)))
            raise
        finally:
            tail.cancel()


async def _first(states: asyncio.StreamReader) -> bytes:
    """What the warm process tells first; nothing if it tells nothing for too long."""
    try:
        async with asyncio.timeout(STARTS_S):
            return await states.read(1)
    except TimeoutError:
        return b""


async def _ended(states: asyncio.StreamReader, control: socket.socket) -> None:
    """Waits for the end of a job that was killed. The end of the warm process is the end of all its jobs."""
    try:
        async with asyncio.timeout(ENDS_S):
            await states.read()
    except TimeoutError:
        await _warm.forget(control)


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, order: Message, answer: Answer | None
) -> Message:
    """What the job says at its end; nothing if it ends without a word, or with one that makes no sense."""
    with suppress(ConnectionError, asyncio.IncompleteReadError, ValueError):
        writer.write(encode(order))
        await writer.drain()
        while True:
            told = decode(await reader.readexactly(length(await reader.readexactly(HEAD.size))))
            if answer is None or "ask" not in told:
                return told
            writer.write(encode(await asyncio.to_thread(answer, told["ask"])))
            await writer.drain()
    return {}


def _result(told: Message, code: int, errors: str) -> Job:
    if code < 0:
        raise _killed(-code)
    problem, result = told.get("error"), told.get("result")
    if isinstance(problem, dict) and (kind := _ERRORS.get(str(problem.get("kind")))):
        raise kind(*(str(problem.get(name, "")) for name in ("code", "cause", "recovery")))
    if code or not isinstance(result, dict):
        last = errors.strip().splitlines()[-1:]
        raise Permanent("worker_failed", "".join(last) or message("problem.worker_failed", status=code))
    return result


def _killed(number: int) -> Retryable:
    return Retryable("worker_killed", message("problem.worker_killed", signal=int(number)))


@asynccontextmanager
async def _connected(ours: socket.socket) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    try:
        yield reader, writer
    finally:
        writer.close()


def _pipe() -> tuple[io.FileIO, int]:
    """Its two ends; the one that stays here is closed even if the caller is cancelled before it is read."""
    ours, theirs = os.pipe()
    return io.FileIO(ours), theirs


@asynccontextmanager
async def _reading(pipe: io.FileIO) -> AsyncIterator[asyncio.StreamReader]:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    try:
        yield reader
    finally:
        transport.close()
