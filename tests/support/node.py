"""Node, where the machine has one that the page can be built with, and the page's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.support.components import Missing

ROOT: Final = Path(__file__).resolve().parents[2]
STUDIO: Final = ROOT / "studio"
OLDEST: Final = (20, 19)


def node_version() -> str:
    """Raises Missing."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        raise Missing("Node.js with npm is not installed")
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < OLDEST:
        raise Missing(f"Node.js {version} is older than {'.'.join(map(str, OLDEST))}")
    return version


def install_packages() -> None:
    """What the lock names, into `studio/node_modules`. Raises Missing if they cannot be had."""
    installed, lock = STUDIO / "node_modules" / ".package-lock.json", STUDIO / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    done = npm("ci", "--no-progress")
    if done.returncode:
        raise Missing(f"the page's packages cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    os.utime(installed)


def npm(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["npm", *arguments], cwd=STUDIO, env=os.environ | environment, capture_output=True, text=True, timeout=240
    )
