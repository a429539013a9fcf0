"""Files that are built or downloaded once for each machine, outside the source tree: ~/.cache/retake."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.components import Missing

_GO_BUILD_S: Final = 900.0  # about 70 s on two idle cores, and tests run at the same time


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


def built_with_go(module: str, version: str) -> Path:
    """The binary of a Go command, e.g. `github.com/versity/versitygw/cmd/versitygw`, built once for each machine.
    Raises Missing."""
    name = next(part for part in reversed(module.split("/")) if not re.fullmatch(r"v\d+", part))
    binary = cache_dir() / name / version / name
    with exclusive(name):
        if binary.exists():
            return binary
        if not shutil.which("go"):
            raise Missing("go is not installed")
        try:
            run_quietly(
                ["go", "install", f"{module}@{version}"],
                env={"GOBIN": str(binary.parent), "GOFLAGS": "-mod=mod"},
                timeout_s=_GO_BUILD_S,
            )
        except RuntimeError as e:
            raise Missing(f"{name} {version} could not be built: {e}") from e
    return binary
