"""A system in the background: started by `retake up --detach`, which waits until it is ready.

`python -m deploy.local.daemon SOCKET` is the background process itself. Its options come over that socket, since they
may hold a password and other users of the machine can read command lines; its news go back over it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from contextlib import suppress

from deploy.local.assembly import assemble
from deploy.local.options import Broker, Options
from deploy.local.paths import DataDir
from deploy.local.report import Journal, News
from deploy.local.system import Assemble, run
from shared.core.errors import RetakeError


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
