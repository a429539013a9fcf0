"""A system in the background: started by `retake up --detach`, which waits until it is ready.

`python -m deploy.local.daemon PIPE_FD '{options}'` is the background process itself.
"""

from __future__ import annotations

import asyncio
import json
import os
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
from deploy.local.report import Journal, Lines, Pipe
from deploy.local.system import Assemble, Summary, run
from shared.errors import Permanent, RetakeError, UserError

BACKGROUND: Final = (sys.executable, "-m", "deploy.local.daemon")


def start_detached(options: Options, reporter: Lines, background: Sequence[str] = BACKGROUND) -> None:
    """Start a system that outlives us and return once it is ready; raise what kept it from that."""
    data = DataDir.of(options.data)
    prepare(data)
    reading, writing = os.pipe()
    with open(data.log("supervisor"), "ab") as log:
        process = subprocess.Popen(
            [*background, str(writing), json.dumps(asdict(options))],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=python_env(),
            start_new_session=True, pass_fds=[writing],
        )  # fmt: skip
    os.close(writing)
    try:
        with os.fdopen(reading) as messages:
            for line in messages:
                if _relay(json.loads(line), reporter):
                    return
    except BaseException:
        process.terminate()  # Ctrl-C while it starts: leave nothing behind
        process.wait()
        raise
    raise Permanent("supervisor_ended", f"The supervisor ended with {process.wait()}.", f"See {log.name}.")


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


def main(pipe: Pipe, options: Options, make: Assemble = assemble) -> int:
    data = DataDir.of(options.data)
    try:
        asyncio.run(run(options, Journal(data.log("supervisor"), pipe), make=make))
    except RetakeError as e:
        print(e, file=sys.stderr)
        pipe.failed(e.code, e.cause, e.recovery)
        return 1
    finally:
        pipe.close()
    return 0


def arguments(argv: Sequence[str]) -> tuple[Pipe, Options]:
    given = json.loads(argv[1])
    return Pipe(int(argv[0])), Options(**given | {"broker": Broker(given["broker"])})


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(*arguments(sys.argv[1:])))
