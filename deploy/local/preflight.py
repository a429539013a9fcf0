"""What must be right before anything starts, each with an error that says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Final

from deploy.local.paths import DataDir
from shared.core.errors import UserError

MIN_FREE_BYTES: Final = 500_000_000  # PostgreSQL's first files take 40 MB, a short film's objects some 100 MB
FIRST_PORT: Final = 8080
PORTS_TRIED: Final = 200
HOST: Final = "127.0.0.1"


def prepare(data: DataDir, min_free_bytes: int = MIN_FREE_BYTES) -> None:
    """Make the data directory and check that it can be written and has room."""
    try:
        # Others may pass through, not look: PostgreSQL runs as another user when we are root.
        data.root.mkdir(parents=True, exist_ok=True, mode=0o711)
        for path in (data.run, data.logs, data.objects, data.work):
            path.mkdir(exist_ok=True, mode=0o700)
        ignore = data.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")  # a data directory inside a checkout is never committed
        (data.run / "probe").write_bytes(b"x")
        (data.run / "probe").unlink()
    except OSError as e:
        raise _unusable(data.root, e) from e
    free = shutil.disk_usage(data.root).free
    if free < min_free_bytes:
        raise _full(data.root, free, min_free_bytes)


def listen(port: int | None) -> socket.socket:
    """A bound, not yet listening socket on loopback: `port` exactly, or the first free one from `FIRST_PORT`.

    We hold it for as long as we run, so nobody can take the port while the gateway is started again.
    """
    ports = [port] if port is not None else list(range(FIRST_PORT, FIRST_PORT + PORTS_TRIED))
    refused: OSError = OSError(errno.EADDRINUSE, "in use")
    for candidate in ports:
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((HOST, candidate))
            held.listen(1)
            return held
        except OSError as e:
            held.close()
            if e.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            refused = e
    if port is not None:
        why = "is taken" if refused.errno == errno.EADDRINUSE else f"cannot be used: {refused.strerror}"
        raise UserError("port_taken", f"Port {port} on {HOST} {why}.", "Choose another --port, or leave it out.")
    raise UserError(
        "port_taken", f"No port from {FIRST_PORT} to {ports[-1]} is free.", "Free one, or name one with --port."
    )


def free_port(wanted: int = 0) -> int:
    """`wanted` if it is free, else another one that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will: old connections do not count
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
        f"The data directory {root} cannot be written: {e.strerror or e}.",
        f"Choose another one with --data, or give user {os.geteuid()} the right to write it.",
    )


def _full(root: Path, free: int, needed: int) -> UserError:
    return UserError(
        "disk_full",
        f"The disk of {root} has {free // 1_000_000} MB free; Retake needs {needed // 1_000_000} MB to start.",
        "Free some space, or choose another disk with --data.",
    )
