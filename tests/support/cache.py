"""Files that are built or downloaded once for each machine, outside the source tree: ~/.cache/retake."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """The folder, below XDG_CACHE_HOME if that is set."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    found = Path(base).expanduser() / "retake"
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold a lock, so that one process at a time builds this entry and the next one finds it."""
    with (cache_dir() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_quietly(argv: list[str], *, env: dict[str, str] | None = None, timeout_s: float) -> str:
    """Run a command at low priority; returns its output. Raises RuntimeError with the last line of the output."""
    try:
        done = subprocess.run(
            ["nice", "-n", "10", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
            env=os.environ | (env or {}),
        )
    except subprocess.TimeoutExpired as e:
        raise RuntimeError(f"{argv[0]} took longer than {timeout_s:.0f} s") from e
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        raise RuntimeError(f"{' '.join(argv[:2])} failed: {lines[-1] if lines else done.returncode}")
    return done.stdout
