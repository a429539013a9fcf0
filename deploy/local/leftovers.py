"""What an earlier supervisor left running when it was killed."""

from __future__ import annotations

import signal

from deploy.local.identity import end_all
from deploy.local.paths import DataDir
from deploy.local.state import SystemState

GRACE_S = 5.0


def sweep(data: DataDir) -> int:
    """End every process that the state file names and that still runs; returns how many there were.

    On Linux the kernel has ended them already. Elsewhere, and if we come within that moment, this does. Call it
    only when no supervisor holds the directory. PostgreSQL itself looks after one that is not in the file.
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
