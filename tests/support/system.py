"""The whole system, started by `retake up`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.http_client import Api

RETAKE = [sys.executable, "-m", "client.cli.main"]
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class System:
    """A running system in a data directory of its own."""

    data: Path
    gateway: str
    token: str
    kafka: str

    @property
    def api(self) -> Api:
        return Api(self.gateway, self.token)

    def status(self) -> dict[str, Any]:
        found = retake("status", "--data", str(self.data), "--json", check=False)
        return dict(json.loads(found.stdout))

    def pid(self, part: str) -> int | None:
        found = self.status()
        pid = found["supervisor"] if part == "supervisor" else found["parts"][part]["pid"]
        return int(pid) if pid else None

    def kill(self, part: str, how: signal.Signals = signal.SIGKILL) -> bool:
        """Kill a part; False if it is restarting at the moment."""
        pid = self.pid(part)
        if pid is None:
            return False
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return False
        return True

    def down(self) -> None:
        retake("down", "--data", str(self.data), check=False)

    def log(self, part: str, lines: int = 40) -> str:
        path = self.data / "logs" / f"{part}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""


def retake(
    *args: str, check: bool = True, timeout_s: float = 240, sources: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*RETAKE, *args], cwd=sources, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
    )
    report = f"retake {' '.join(args)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not check or done.returncode == 0, report
    return done


def start(data: Path, *options: str, sources: Path = ROOT) -> System:
    done = retake("up", "--data", str(data), "--detach", "--json", *options, sources=sources)
    found = json.loads(done.stdout)
    return System(data, found["gateway"], found["token"], found["kafka"])
