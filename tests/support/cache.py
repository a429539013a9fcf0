"""What is built or downloaded once per machine, outside the tree: ~/.cache/retake."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    found = Path(base).expanduser() / "retake"
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextmanager
def alone(name: str) -> Iterator[None]:
    """One process at a time makes this entry; the next one finds it made."""
    with (cache_dir() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def quietly(argv: list[str], *, env: dict[str, str] | None = None, timeout_s: float) -> str:
    """Run at low priority; returns what it says. Raises RuntimeError with its last line."""
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
