"""What the other commands do to a running system, knowing only its data directory."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from deploy.local import http, leftovers
from deploy.local.paths import DataDir
from deploy.local.state import PartStatus, State, SystemState, held, only_one
from shared.core.errors import Permanent, UserError

STOP_TIMEOUT_S: Final = 40.0  # services, then PostgreSQL and the broker, each with its own grace

PROBE_TIMEOUT_S: Final = 3.0  # a little more than a service gives its own checks


@dataclass(frozen=True)
class Status:
    """`running`: a supervisor looks after it. Parts whose process has ended are shown as stopped."""

    running: bool
    state: SystemState | None

    @property
    def ready(self) -> bool:
        return self.running and self.state is not None and self.state.ready


def status(data: DataDir) -> Status:
    """How it is now: processes are looked at, and services asked whether they are ready."""
    state = SystemState.read(data.state)
    running = held(data)
    if state is None:
        return Status(running, None)
    return Status(running, replace(state, parts=asyncio.run(_as_they_are(state.parts))))


def down(data: DataDir) -> bool:
    """Stop the system; False if nothing ran. When it returns, no process of it is left."""
    if not data.lock.exists():
        return False
    ran = held(data)
    if ran:
        _end_supervisor(data)
    with only_one(data):
        return leftovers.sweep(data) > 0 or ran


def _end_supervisor(data: DataDir) -> None:
    # Without a state it has only just begun, or is about to end.
    state = SystemState.read(data.state) or _wait_for_state(data)
    if state is not None:
        state.supervisor.signal(signal.SIGTERM)
        if not _released(data, STOP_TIMEOUT_S):
            state.supervisor.signal(signal.SIGKILL)
    if not _released(data, 5.0):
        raise Permanent("not_stopped", f"{data.root} is still held by a process that does not end.")


def reset(data: DataDir) -> None:
    """Stop the system and delete everything it knows."""
    if not data.root.exists():
        return
    if not data.run.exists():
        raise UserError("not_a_data_directory", f"{data.root} is not a data directory of Retake's.", "Check --data.")
    down(data)
    shutil.rmtree(data.root)


async def _as_they_are(parts: Sequence[PartStatus]) -> tuple[PartStatus, ...]:
    return tuple(await asyncio.gather(*(_as_it_is(p) for p in parts)))


async def _as_it_is(part: PartStatus) -> PartStatus:
    if part.process and not part.process.alive:
        return part.to(State.STOPPED, process=None)
    if part.state is not State.READY or not (part.address or "").startswith("http://"):
        return part
    where = urlsplit(part.address or "")
    try:
        said = await http.status(where.hostname or "", where.port or 0, "/health/ready", PROBE_TIMEOUT_S)
    except (OSError, TimeoutError):
        said = 0
    match said:
        case 200:
            return part
        case 0:
            return part.to(State.NOT_READY, detail="does not answer")
        case _:
            return part.to(State.NOT_READY, detail=f"answers {said} at {part.address}/health/ready")


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
