"""Reporters of `retake up`: lines for a person, one JSON object for a script, and the supervisor's own log."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from deploy.local.supervisor.state import PartStatus, State, Summary


class Reporter(Protocol):
    """Receives the progress of a starting and running system."""

    def part(self, status: PartStatus) -> None:
        """A part changed its state."""
        ...

    def ready(self, summary: Summary) -> None:
        """Every part is ready for the first time."""
        ...


def part_line(status: PartStatus) -> str | None:
    """One line about a part's new state; None for intermediate states."""
    match status.state:
        case State.READY:
            return f"{status.name:<10} ready {status.ready_s or 0:6.1f} s   {status.address}"
        case State.BACKING_OFF:
            return f"{status.name:<10} {status.detail}"
        case State.WAITING | State.STARTING | State.STOPPED | State.NOT_READY:
            return None


class Lines:
    """Lines for a person."""

    def __init__(self, write_line: Callable[[str], None], open_page: Callable[[str], bool] | None = None) -> None:
        """`open_page`: opens the gateway's page once it is ready; False if there is no browser."""
        self._write_line = write_line
        self._open_page = open_page

    def part(self, status: PartStatus) -> None:
        if line := part_line(status):
            self.line(line)

    def line(self, line: str) -> None:
        with suppress(OSError):  # the terminal or the reader of the pipe is gone; the system keeps running
            self._write_line(line)

    def ready(self, summary: Summary) -> None:
        self._summarize(summary)
        if self._open_page is not None and not self._open_page(summary.gateway):
            self.line(f"No browser could be started here; open {summary.gateway} in one.")

    def _summarize(self, summary: Summary) -> None:
        self.line(f"Retake is ready after {summary.seconds:.1f} s")
        self.line(f"gateway    {summary.gateway}")
        self.line(f"token      {summary.token_file}")


class JsonObject(Lines):
    """Lines on stderr, and one JSON object on stdout when the system is ready."""

    def __init__(self, open_page: Callable[[str], bool] | None = None) -> None:
        super().__init__(lambda line: print(line, file=sys.stderr, flush=True), open_page)

    def _summarize(self, summary: Summary) -> None:
        names = ("gateway", "token", "kafka", "data")
        print(json.dumps({k: v for k, v in asdict(summary).items() if k in names}), flush=True)


class Journal:
    """Writes every change of every part, with its time, to the supervisor's log, then passes it on to `reporter`."""

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self._path = path
        self._reporter = reporter

    def part(self, status: PartStatus) -> None:
        words = [status.state.value, status.detail, status.address if status.state is State.READY else ""]
        pid = f"[{status.process.pid}]" if status.process else ""
        self._write(f"{status.name}{pid} {' '.join(w for w in words if w)}")
        self._reporter.part(status)

    def ready(self, summary: Summary) -> None:
        self._write(f"all parts ready after {summary.seconds:.2f} s")
        self._reporter.ready(summary)

    def _write(self, line: str) -> None:
        try:
            with self._path.open("a") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {line}\n")
        except OSError:  # the disk is full: the running system matters more than its journal
            print(line, file=sys.stderr)
