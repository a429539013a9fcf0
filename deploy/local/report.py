"""How `retake up` tells what happens: to a person, or to the process that waits for a detached system."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from deploy.local.state import PartStatus, State, Summary

Say = Callable[[str], None]


def part_line(status: PartStatus) -> str | None:
    """One line of news about a part; None for the steps in between."""
    match status.state:
        case State.READY:
            return f"{status.name:<10} ready {status.ready_s or 0:6.1f} s   {status.address}"
        case State.BACKING_OFF:
            return f"{status.name:<10} {status.detail}"
        case State.WAITING | State.STARTING | State.STOPPED | State.NOT_READY:
            return None


class Lines:
    """Lines for a person, through `say`."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def part(self, status: PartStatus) -> None:
        if line := part_line(status):
            self.line(line)

    def line(self, line: str) -> None:
        with suppress(OSError):  # the terminal or the reader of the pipe is gone; the system runs on
            self._say(line)

    def ready(self, summary: Summary) -> None:
        self.line(f"Retake is up in {summary.seconds:.1f} s")
        self.line(f"gateway    {summary.gateway}")
        self.line(f"token      {summary.token_file}")


class JsonObject(Lines):
    """The lines go to stderr; stdout gets one object when all is ready."""

    def __init__(self) -> None:
        super().__init__(lambda line: print(line, file=sys.stderr, flush=True))

    def ready(self, summary: Summary) -> None:
        names = ("gateway", "token", "kafka", "data")
        print(json.dumps({k: v for k, v in asdict(summary).items() if k in names}), flush=True)


class News:
    """For a detached system: one JSON message a line to whoever waits for it, for as long as somebody does."""

    def __init__(self, link: socket.socket) -> None:
        self._file = link.makefile("rw")
        link.set_inheritable(False)
        link.close()  # the file holds it

    def first_line(self) -> str:
        return self._file.readline()

    def part(self, status: PartStatus) -> None:
        if line := part_line(status):
            self._send({"line": line})

    def ready(self, summary: Summary) -> None:
        self._send({"ready": asdict(summary)})
        self.close()

    def failed(self, code: str, cause: str, recovery: str) -> None:
        self._send({"failed": {"code": code, "cause": cause, "recovery": recovery}})
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    def _send(self, message: dict[str, object]) -> None:
        if self._file.closed:
            return
        try:
            self._file.write(json.dumps(message) + "\n")
            self._file.flush()
        except OSError:  # nobody waits any more
            self.close()


class Journal:
    """Every change of every part, with its time, in the supervisor's own log; then whatever `other` does."""

    def __init__(self, path: Path, other: Lines | News) -> None:
        self._path = path
        self._other = other

    def part(self, status: PartStatus) -> None:
        words = [status.state.value, status.detail, status.address if status.state is State.READY else ""]
        pid = f"[{status.process.pid}]" if status.process else ""
        self._write(f"{status.name}{pid} {' '.join(w for w in words if w)}")
        self._other.part(status)

    def ready(self, summary: Summary) -> None:
        self._write(f"all ready after {summary.seconds:.2f} s")
        self._other.ready(summary)

    def _write(self, words: str) -> None:
        try:
            with self._path.open("a") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {words}\n")
        except OSError:  # a full disk: what runs is worth more than the journal
            print(words, file=sys.stderr)
