"""A system in the background: `retake up --detach` starts one and waits until it is ready.

`python -m deploy.local.supervisor.background SOCKET` is the background process. Its options come over that socket,
since they may hold a password and other users of the machine can read command lines. It reports over the same socket,
one JSON message per line: {"line": TEXT} about a part, then {"ready": SUMMARY} or {"failed": ERROR}.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.options import Broker, Options
from deploy.local.supervisor.preflight import prepare
from deploy.local.supervisor.processes import spawn_detached
from deploy.local.supervisor.report import Journal, Lines, part_line
from deploy.local.supervisor.state import PartStatus, Summary
from shared.core.errors import Permanent, RetakeError, UserError

if TYPE_CHECKING:
    from deploy.local.supervisor.system import Assemble

BACKGROUND: Final = (sys.executable, "-m", "deploy.local.supervisor.background")


def start_in_background(options: Options, reporter: Lines, background: Sequence[str] = BACKGROUND) -> None:
    """Start a system that outlives us and return when it is ready.

    Raises UserError or Permanent if it cannot be started; nothing is left running then.
    """
    data = DataDir.of(options.data)
    prepare(data)
    ours, theirs = socket.socketpair()
    with theirs:
        process = spawn_detached(
            [*background, str(theirs.fileno())], data.log("supervisor"), inherits=[theirs.fileno()]
        )
    try:
        with ours, ours.makefile("rw") as messages:
            messages.write(json.dumps(asdict(options)) + "\n")
            messages.flush()
            for message in messages:
                if _handle(json.loads(message), reporter):
                    return
    except BaseException:
        process.terminate()  # Ctrl-C while it starts: leave nothing behind
        process.wait()
        raise
    raise Permanent(
        "supervisor_ended", f"The supervisor ended with exit code {process.wait()}.", f"See {data.log('supervisor')}."
    )


def _handle(message: dict[str, object], reporter: Lines) -> bool:
    """Pass one message on to the reporter; True if it was the last one."""
    match message:
        case {"line": str(line)}:
            reporter.line(line)
        case {"ready": dict(summary)}:
            reporter.ready(Summary(**summary))
            return True
        case {"failed": {"code": str(code), "cause": str(cause), "recovery": str(recovery)}}:
            raise UserError(code, cause, recovery)
    return False


class StarterLink:
    """The background process's end of the socket: a reporter to the process that waits for it, while it waits."""

    def __init__(self, link: socket.socket) -> None:
        self._file = link.makefile("rw")
        link.set_inheritable(False)
        link.close()  # the file keeps it open

    def read_options(self) -> Options:
        options = json.loads(self._file.readline())
        return Options(**options | {"broker": Broker(options["broker"])})

    def part(self, status: PartStatus) -> None:
        if line := part_line(status):
            self._send({"line": line})

    def ready(self, summary: Summary) -> None:
        self._send({"ready": asdict(summary)})
        self.close()

    def failed(self, error: RetakeError) -> None:
        self._send({"failed": {"code": error.code, "cause": error.cause, "recovery": error.recovery}})
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
        except OSError:  # nobody waits any more; the system keeps running
            self.close()


def main(descriptor: str, make: Assemble | None = None) -> int:
    """Run the system that the other end of the socket describes; returns the exit code."""
    import asyncio

    from deploy.local.parts.assembly import assemble  # slow to import, and the starting process needs none of it
    from deploy.local.supervisor.system import run

    link = StarterLink(socket.socket(fileno=int(descriptor)))
    options = link.read_options()
    journal = Journal(DataDir.of(options.data).log("supervisor"), link)
    try:
        asyncio.run(run(options, journal, make=make or assemble))
    except RetakeError as e:
        print(e, file=sys.stderr)
        link.failed(e)
        return 1
    finally:
        link.close()
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1]))
