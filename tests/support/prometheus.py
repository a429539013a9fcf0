"""promtool, which reads and tests rules of Prometheus: from the tests' cache (see .ci/promtool) or the system."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.cache import cache_dir
from tests.support.components import Missing


def promtool() -> Path:
    """Raises Missing."""
    kept = cache_dir() / "promtool" / "promtool"
    found = str(kept) if kept.exists() else shutil.which("promtool")
    if not found:
        raise Missing("promtool is not installed; .ci/promtool fetches it")
    return Path(found)


def version(binary: Path) -> str:
    answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30)
    return (answer.stdout + answer.stderr).split()[2].rstrip(",")


def run(binary: Path, *arguments: str) -> None:
    """Raises AssertionError with promtool's message."""
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
