"""What the other commands do to a running system, knowing only its data directory."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import dataclass
from typing import Final

from deploy.local import leftovers
from deploy.local.paths import DataDir
from deploy.local.state import PartStatus, State, SystemState, held
from shared.errors import Permanent, UserError

STOP_TIMEOUT_S: Final = 40.0  # services, then PostgreSQL and the broker, each with its own grace


@dataclass(frozen=True)
class Status:
    """`running`: a supervisor looks after it. Parts whose process has ended are shown as stopped."""

    running: bool
    state: SystemState | None

    @property
    def ready(self) -> bool:
        return self.running and self.state is not None and self.state.ready


def status(data: DataDir) -> Status:
    state = SystemState.read(data.state)
    running = held(data)
    if state is None:
        return Status(running, None)
    parts = tuple(_as_it_is(p) for p in state.parts)
    return Status(running, SystemState(state.supervisor, state.gateway, state.kafka, state.data, parts))


def down(data: DataDir) -> bool:
    """Stop the system; False if nothing ran. When it returns, no process of it is left."""
    state = SystemState.read(data.state)
    if not held(data):
        return leftovers.sweep(data) > 0
    if state is None:  # it starts, and has not written its state yet, or it is just about to end
        state = _wait_for_state(data)
    if state is not None:
        state.supervisor.signal(signal.SIGTERM)
        if not _released(data, STOP_TIMEOUT_S):
            state.supervisor.signal(signal.SIGKILL)
    if not _released(data, 5.0):
        raise Permanent("not_stopped", f"{data.root} is still held by a process that does not end.")
    leftovers.sweep(data)
    return True


def reset(data: DataDir) -> None:
    """Stop the system and delete everything it knows."""
    if not data.root.exists():
        return
    if not data.run.exists():
        raise UserError("not_a_data_directory", f"{data.root} is not a data directory of Retake's.", "Check --data.")
    down(data)
    shutil.rmtree(data.root)


def _as_it_is(part: PartStatus) -> PartStatus:
    if part.process and not part.process.alive:
        return part.to(State.STOPPED, process=None)
    return part


def _wait_for_state(data: DataDir, seconds: float = 10.0) -> SystemState | None:
    deadline = time.monotonic() + seconds
    while held(data) and time.monotonic() < deadline:
        if state := SystemState.read(data.state):
            return state
        time.sleep(0.05)
    return None


def _released(data: DataDir, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while held(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
