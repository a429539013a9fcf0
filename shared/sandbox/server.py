"""The warm process: it imports what jobs need, and forks one process per job, which it never runs itself.

It never reads an untrusted byte. `jobs` starts it, and asks on standard input, a socket: the letter R or K, the job's
number, and the name of the module with the job's function `work`. With R come the job's connection, its standard error,
and a pipe for its state: "s" when it runs, then its exit code. K kills a job. When the other side has gone, even
killed, everything here ends; so it does after some minutes without a job.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import select
import signal
import socket
import struct
import sys
import traceback
from collections import deque
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Final, NoReturn

from shared.core.confinement import Files, InForce, confine
from shared.core.errors import RetakeError
from shared.sandbox.channel import Channel, Message

HEADER: Final = struct.Struct(">cIH")
RUN, KILL = b"R", b"K"
STARTED: Final = b"s"
EXIT: Final = struct.Struct(">i")

_IDLE_S: Final = 300.0
_CPU_GRACE_S: Final = 5  # between SIGXCPU and SIGKILL
_PR_SET_PDEATHSIG: Final = 1
_ROOT: Final = Path(__file__).parents[2]
# What a job may still import; not the root, where people keep their data, too.
_CODE: Final[tuple[Path | str, ...]] = (
    _ROOT / "shared",
    _ROOT / "services",
    *(path for path in sys.path if path and Path(path) != _ROOT),
)
_asking: Channel | None = None


def ask(question: Message) -> Message:
    """Within a job: what the process that ordered it answers (`jobs.run_job`). Blocks."""
    assert _asking is not None, "only a job can ask"
    _asking.send({"ask": question})
    return _asking.receive()


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._asked = bytearray()
        self._passed: deque[int] = deque()
        self._numbers: dict[int, int] = {}  # by process
        self._states: dict[int, int] = {}  # the pipe of each process
        self._woken, self._waking = os.pipe()
        for end in (self._woken, self._waking):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> None:
        while True:
            ready = select.select([self._control.fileno(), self._woken], [], [], None if self._states else _IDLE_S)[0]
            if not ready and not self._states:
                return
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
            self._reap()
            if self._control.fileno() in ready and not self._read():
                return

    def end(self) -> None:
        for process in self._states:
            os.kill(process, signal.SIGKILL)

    def _reap(self) -> None:
        while self._states:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            state = self._states.pop(process)
            del self._numbers[process]
            with suppress(BrokenPipeError):
                os.write(state, EXIT.pack(os.waitstatus_to_exitcode(status)))
            os.close(state)

    def _read(self) -> bool:
        """Does what is asked; False when nobody can ask any more."""
        data, passed, *_ = socket.recv_fds(self._control, 1 << 16, 48)
        self._asked += data
        self._passed.extend(passed)
        while len(self._asked) >= HEADER.size:
            what, number, name_length = HEADER.unpack_from(self._asked)
            end = HEADER.size + name_length
            if len(self._asked) < end:
                break
            name = bytes(self._asked[HEADER.size : end]).decode()
            del self._asked[:end]
            if what == RUN:
                self._run(number, name, *(self._passed.popleft() for _ in range(3)))
            else:
                for process in [p for p, n in self._numbers.items() if n == number]:
                    os.kill(process, signal.SIGKILL)
        return bool(data)

    def _run(self, number: int, module: str, connection: int, errors: int, state: int) -> None:
        try:
            import_module(module)
        except Exception:
            os.write(errors, traceback.format_exc().encode())
            os.write(state, STARTED + EXIT.pack(1))
            os.close(state)
        else:
            gc.freeze()  # so that no collection in a job copies what it shares with this process
            process = os.fork()
            if process == 0:
                self._become(module, connection, errors, state)
            self._numbers[process], self._states[process] = number, state
            os.write(state, STARTED)
        finally:
            os.close(connection)
            os.close(errors)

    def _become(self, module: str, connection: int, errors: int, state: int) -> NoReturn:
        """In the forked process."""
        code = 1
        try:
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDONLY)
            for to, at in ((null, 0), (errors, 1), (errors, 2)):
                os.dup2(to, at)
            # A job that is taken over could else read there what other jobs are told, and get their connections.
            self._control.close()
            for passed in (*self._states.values(), *self._passed, null, errors, state, self._woken, self._waking):
                os.close(passed)
            code = _work(module, socket.socket(fileno=connection))
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stderr.flush()
            os._exit(code)


def _work(module: str, connection: socket.socket) -> int:
    global _asking
    _asking = channel = Channel(connection)
    order = channel.receive()
    _limit(order["limits"])
    read, write = order["files"]
    confine(Files((*_CODE, *read), tuple(write)), programs=False, in_force=InForce(*order["in_force"]))
    try:
        result = import_module(module).work(order["job"])
    except RetakeError as error:
        told = {"kind": type(error).__name__, "code": error.code, "cause": error.cause, "recovery": error.recovery}
        channel.send({"error": told})
    else:
        channel.send({"result": result})
    return 0


def _limit(limits: dict[str, int]) -> None:
    cpu_s = limits["cpu_s"]
    for kind, soft, hard in (
        (resource.RLIMIT_AS, limits["memory"], limits["memory"]),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + _CPU_GRACE_S),
        (resource.RLIMIT_FSIZE, limits["file_size"], limits["file_size"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        with suppress(OSError, ValueError):  # macOS refuses some, and others are lower already
            resource.setrlimit(kind, (soft, hard))


def main() -> None:
    server = _Server(socket.socket(fileno=os.dup(0)))
    try:
        server.run()
    finally:
        server.end()


if __name__ == "__main__":
    from shared.sandbox.server import main as imported  # jobs ask this module, not the one named __main__

    imported()
