"""A system in the background: started by `retake up --detach`, which waits until it is ready.

`python -m deploy.local.daemon SOCKET` is the background process itself. Its options come over that socket, since they
may hold a password and other users of the machine can read command lines; its news go back over it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Final

from deploy.local.assembly import assemble
from deploy.local.children import python_env
from deploy.local.options import Broker, Options
from deploy.local.paths import DataDir
from deploy.local.preflight import prepare
from deploy.local.report import Journal, Lines, News
from deploy.local.system import Assemble, Summary, run
from shared.errors import Permanent, RetakeError, UserError

BACKGROUND: Final = (sys.executable, "-m", "deploy.local.daemon")


def start_detached(options: Options, reporter: Lines, background: Sequence[str] = BACKGROUND) -> None:
    """Start a system that outlives us and return once it is ready; raise what kept it from that."""
    data = DataDir.of(options.data)
    prepare(data)
    ours, theirs = socket.socketpair()
    with data.log("supervisor").open("ab") as log, theirs:
        process = subprocess.Popen(
            [*background, str(theirs.fileno())],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=python_env(),
            start_new_session=True, pass_fds=[theirs.fileno()],
        )  # fmt: skip
    try:
        with ours, ours.makefile("rw") as line_by_line:
            line_by_line.write(json.dumps(asdict(options)) + "\n")
            line_by_line.flush()
            for line in line_by_line:
                if _relay(json.loads(line), reporter):
                    return
    except BaseException:
        process.terminate()  # Ctrl-C while it starts: leave nothing behind
        process.wait()
        raise
    raise Permanent(
        "supervisor_ended", f"The supervisor ended with {process.wait()}.", f"See {data.log('supervisor')}."
    )


def _relay(message: dict[str, object], reporter: Lines) -> bool:
    """Pass one message on; True if it was the last one."""
    match message:
        case {"line": str(line)}:
            reporter.line(line)
        case {"ready": dict(summary)}:
            reporter.ready(Summary(**summary))
            return True
        case {"failed": {"code": str(code), "cause": str(cause), "recovery": str(recovery)}}:
            raise UserError(code, cause, recovery)
    return False


def main(descriptor: str, make: Assemble = assemble) -> int:
    """Run the system that the other end of the socket asks for; returns the exit code."""
    news = News(socket.socket(fileno=int(descriptor)))
    given = json.loads(news.first_line())
    options = Options(**given | {"broker": Broker(given["broker"])})
    try:
        asyncio.run(run(options, Journal(DataDir.of(options.data).log("supervisor"), news), make=make))
    except RetakeError as e:
        print(e, file=sys.stderr)
        news.failed(e.code, e.cause, e.recovery)
        return 1
    finally:
        news.close()
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1]))
