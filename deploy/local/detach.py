"""Starting a system in the background, and waiting until it is ready. Imports little: it only waits."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from deploy.local.children import python_env
from deploy.local.options import Options
from deploy.local.paths import DataDir
from deploy.local.preflight import prepare
from deploy.local.report import Lines
from deploy.local.state import Summary
from shared.core.errors import Permanent, UserError

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
