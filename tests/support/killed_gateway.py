"""A gateway that kills itself (SIGKILL) at an exact moment of a command: `python -m tests.support.killed_gateway FILE`.

FILE contains the moment: `before-commit`, `after-commit` (which is before the response), or nothing. It is read at each
command, so that a test can choose while the gateway runs. Everything else is `python -m shared.web.server gateway`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.gateway.api import app_state
from shared.postgres.pool import Connection, Pool, transaction
from shared.web.server import main


def killing(file: Path) -> None:
    def at(moment: str) -> None:
        if file.read_text().strip() == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    @asynccontextmanager
    async def deadly(pool: Pool) -> AsyncIterator[Connection]:
        async with transaction(pool) as connection:
            yield connection
            at("before-commit")
        at("after-commit")

    app_state.transaction = deadly  # type: ignore[assignment]


if __name__ == "__main__":
    killing(Path(sys.argv[1]))
    main("gateway")
