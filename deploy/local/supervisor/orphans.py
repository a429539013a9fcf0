"""Processes that an earlier supervisor left running when it was killed."""

from __future__ import annotations

import signal
from typing import Final

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.process_id import end_all
from deploy.local.supervisor.state import SystemState

GRACE_S: Final = 5.0


def end(data: DataDir) -> int:
    """End every process that the state file names and that is still running; returns how many there were.

    On Linux the kernel has normally ended them already; elsewhere this does. Call it with the data directory locked.
    A PostgreSQL server that the file does not name is ended by `EmbeddedPostgres.clear_stale`.
    """
    state = SystemState.read(data.state)
    parts = [p for p in state.parts if p.process and p.process.alive] if state else []
    for part in parts:
        assert part.process
        # SIGINT is PostgreSQL's fast shutdown; at SIGTERM it would wait for the services' sessions.
        part.process.signal(signal.SIGINT if part.name == "postgres" else signal.SIGTERM)
    end_all([p.process for p in parts if p.process], GRACE_S)
    data.state.unlink(missing_ok=True)
    return len(parts)
