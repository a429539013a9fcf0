"""The state of a system, in memory and in the file that the other commands read, and the lock of its directory."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.files import write_private
from deploy.local.supervisor.process_id import ProcessId
from shared.core.errors import UserError

EXTERNAL = "external"  # the detail of a part that is not ours to run


class State(StrEnum):
    WAITING = "waiting"  # for a part that it needs
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing off"  # it ended, and is restarted after a pause
    STOPPED = "stopped"
    NOT_READY = "not ready"  # it runs, but its readiness probe fails at the moment; only `retake status` reports it


@dataclass(frozen=True)
class PartStatus:
    """One part. `address` is where it answers, `ready_s` the duration of its last start, `since` a Unix time."""

    name: str
    state: State = State.WAITING
    process: ProcessId | None = None
    address: str | None = None
    starts: int = 0
    ready_s: float | None = None
    since: float = field(default_factory=time.time)
    detail: str = ""

    def to(self, state: State, **changes: Any) -> PartStatus:
        return replace(self, state=state, since=time.time(), **changes)


@dataclass(frozen=True)
class SystemState:
    """One running system. Addresses are None until they are known. `operations` is the URL of the gateway's second
    port, which has its readiness and metrics, or None if the first one has them."""

    supervisor: ProcessId
    gateway: str | None
    kafka: str | None
    data: str
    parts: tuple[PartStatus, ...]
    operations: str | None = None

    @property
    def ready(self) -> bool:
        return all(p.state is State.READY for p in self.parts)

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> SystemState | None:
        """None if there is no such file, or if it is damaged or of another version."""
        try:
            raw = json.loads(path.read_text())
            parts = tuple(_part(p) for p in raw.pop("parts"))
            return cls(**raw | {"supervisor": ProcessId(**raw["supervisor"]), "parts": parts})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def _part(raw: dict[str, Any]) -> PartStatus:
    process = ProcessId(**raw["process"]) if raw["process"] else None
    return PartStatus(**raw | {"state": State(raw["state"]), "process": process})


@dataclass(frozen=True)
class Summary:
    """What a script needs to know about a running system. `token_file` holds a valid token while it runs; `seconds` is
    the duration of the start."""

    gateway: str
    token: str
    kafka: str
    data: str
    token_file: str
    seconds: float


@contextmanager
def lock(data: DataDir) -> Iterator[None]:
    """Lock the data directory for one supervisor. The kernel releases the lock however its holder ends.

    Raises UserError if it is locked.
    """
    descriptor = os.open(data.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "already_running", _describe_holder(data), "Stop it with `retake down`, or choose another --data."
            ) from None
        yield
    finally:
        os.close(descriptor)


def is_locked(data: DataDir) -> bool:
    """Whether a supervisor is using this data directory. Raises UserError if it belongs to another user."""
    try:
        descriptor = os.open(data.lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    except PermissionError as e:
        raise UserError("not_yours", f"{data.root} belongs to another user.", "Run the command as that user.") from e
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def _describe_holder(data: DataDir) -> str:
    state = SystemState.read(data.state)
    gateway = f", gateway at {state.gateway}" if state and state.gateway else ""
    return f"Retake is already running on {data.root}{gateway}."
