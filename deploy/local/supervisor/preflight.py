"""Checks before the start, with errors that say what to do: the data directory, free disk space, ports."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Final

from deploy.local.supervisor.data_dir import DataDir
from shared.core.errors import UserError

MIN_FREE_BYTES: Final = 500_000_000  # PostgreSQL's first files take 40 MB, a short film's objects about 100 MB
FIRST_PORT: Final = 8080
PORTS_TRIED: Final = 200
HOST: Final = "127.0.0.1"


def prepare(data: DataDir, min_free_bytes: int = MIN_FREE_BYTES) -> None:
    """Create the data directory. Raises UserError if it cannot be written or its disk is full."""
    try:
        # Other users may pass through but not list it: PostgreSQL runs as another user when we are root.
        data.root.mkdir(parents=True, exist_ok=True, mode=0o711)
        for path in (data.run, data.logs, data.objects, data.work):
            path.mkdir(exist_ok=True, mode=0o700)
        ignore = data.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")  # so that a data directory inside a checkout is never committed
        (data.run / "probe").write_bytes(b"x")
        (data.run / "probe").unlink()
    except OSError as e:
        raise _unusable(data.root, e) from e
    free = shutil.disk_usage(data.root).free
    if free < min_free_bytes:
        raise _full(data.root, free, min_free_bytes)


def listen(port: int | None) -> socket.socket:
    """A listening socket on loopback: on `port`, or on the first free one from `FIRST_PORT`. 0: any free port.

    It stays open while we run, so that nobody can take the port while the service restarts. Raises UserError if the
    port is taken.
    """
    ports = [port] if port is not None else list(range(FIRST_PORT, FIRST_PORT + PORTS_TRIED))
    refused: OSError = OSError(errno.EADDRINUSE, "in use")
    for candidate in ports:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((HOST, candidate))
            listening.listen(1)
            return listening
        except OSError as e:
            listening.close()
            if e.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            refused = e
    if port is not None:
        reason = "is taken" if refused.errno == errno.EADDRINUSE else f"cannot be used: {refused.strerror}"
        raise UserError("port_taken", f"Port {port} on {HOST} {reason}.", "Choose another --port, or omit it.")
    raise UserError(
        "port_taken", f"No port from {FIRST_PORT} to {ports[-1]} is free.", "Free one, or choose one with --port."
    )


def free_port(wanted: int = 0) -> int:
    """`wanted` if it is free, else any port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will: ignore closed connections
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _unusable(root: Path, e: OSError) -> UserError:
    if e.errno == errno.ENOSPC:
        return _full(root, 0, MIN_FREE_BYTES)
    return UserError(
        "data_not_writable",
        f"The data directory {root} is not writable: {e.strerror or e}.",
        f"Choose another one with --data, or give user {os.geteuid()} write access.",
    )


def _full(root: Path, free: int, needed: int) -> UserError:
    return UserError(
        "disk_full",
        f"The disk of {root} has {free // 1_000_000} MB free; Retake needs {needed // 1_000_000} MB to start.",
        "Free some space, or choose another disk with --data.",
    )
