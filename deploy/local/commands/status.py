"""`retake status`: the state of each part, checked at this moment."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from deploy.local.supervisor import http_probe
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.state import PartStatus, State, SystemState, is_locked
from shared.core import isolation

PROBE_TIMEOUT_S: Final = 3.0  # a little more than a service allows its own checks


@dataclass(frozen=True)
class Status:
    """`running`: a supervisor holds the data directory. Parts whose process has ended are shown as stopped."""

    running: bool
    state: SystemState | None

    @property
    def ready(self) -> bool:
        return self.running and self.state is not None and self.state.ready


def read(data: DataDir) -> Status:
    """The recorded state, corrected by looking at the processes and by probing the services' readiness."""
    state = SystemState.read(data.state)
    running = is_locked(data)
    if state is None:
        return Status(running, None)
    return Status(running, replace(state, parts=asyncio.run(_probe_all(state))))


def as_json(status: Status, root: Path) -> str:
    state = status.state
    parts = {
        p.name: {
            "state": p.state,
            "pid": p.process.pid if p.process else None,
            "address": p.address,
            "starts": p.starts,
            "since": p.since,
            "detail": p.detail,
        }
        for p in (state.parts if state else ())
    }
    return json.dumps(
        {
            "running": status.running,
            "ready": status.ready,
            "gateway": state.gateway if state else None,
            "kafka": state.kafka if state else None,
            "data": str(root),
            "supervisor": state.supervisor.pid if state and status.running else None,
            "parts": parts,
            "isolation": isolation.in_force(),
        }
    )


def as_table(status: Status, root: Path) -> str:
    if status.state is None:
        return f"Retake is not running on {root}."
    if status.running:
        heading = f"Retake is running on {root}."
    else:
        heading = f"The supervisor of {root} was killed; `retake up` or `retake down` cleans up."
    confined = ", ".join(name for name, on in isolation.in_force().items() if on)
    kernel = f"Files from users and providers are parsed under: {confined or 'resource limits only'}."
    return "\n".join([heading, *map(_row, status.state.parts), kernel])


def _row(part: PartStatus) -> str:
    pid = part.process.pid if part.process else "-"
    return f"{part.name:<10} {part.state:<12} {pid:>7}   {part.address or '-'}   {part.detail}".rstrip()


async def _probe_all(state: SystemState) -> tuple[PartStatus, ...]:
    return tuple(await asyncio.gather(*(_probe(part, _readiness(state, part)) for part in state.parts)))


def _readiness(state: SystemState, part: PartStatus) -> str:
    """The URL of the port that has the part's readiness."""
    return (state.operations if part.name == "gateway" else None) or part.address or ""


async def _probe(part: PartStatus, readiness: str) -> PartStatus:
    if part.process and not part.process.alive:
        return part.to(State.STOPPED, process=None)
    if part.state is not State.READY or not readiness.startswith("http://"):
        return part
    url = urlsplit(readiness)
    try:
        found = await http_probe.readiness(url.hostname or "", url.port or 0, PROBE_TIMEOUT_S)
    except (OSError, TimeoutError):
        found = http_probe.Readiness(0)
    match found.status:
        case 200:
            return part
        case 0:
            return part.to(State.NOT_READY, detail="does not answer")
        case status:
            why = found.problems or f"{readiness}{http_probe.PATH} returned {status}"
            return part.to(State.NOT_READY, detail=why)
