"""`retake down`: stop the system of one data directory."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Final

from deploy.local.supervisor import orphans
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.state import SystemState, is_locked, lock
from shared.core.errors import Permanent

STOP_TIMEOUT_S: Final = 40.0  # services, then PostgreSQL and the broker, each with its own grace period
KILL_TIMEOUT_S: Final = 5.0
START_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.05


def stop(data: DataDir) -> bool:
    """Stop the system; False if nothing was running. On return, none of its processes is left.

    Raises Permanent if a process does not end.
    """
    if not data.lock.exists():
        return False
    was_running = is_locked(data)
    if was_running:
        _end_supervisor(data)
    with lock(data):
        return orphans.end(data) > 0 or was_running


def _end_supervisor(data: DataDir) -> None:
    # Without a state the supervisor has only just started, or is about to end.
    _wait(lambda: SystemState.read(data.state) is not None or not is_locked(data), START_TIMEOUT_S)
    if state := SystemState.read(data.state):
        state.supervisor.signal(signal.SIGTERM)
        if not _wait(lambda: not is_locked(data), STOP_TIMEOUT_S):
            state.supervisor.signal(signal.SIGKILL)
    if not _wait(lambda: not is_locked(data), KILL_TIMEOUT_S):
        raise Permanent("not_stopped", f"A process that holds {data.root} does not end.")


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True
