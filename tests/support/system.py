"""The whole system, started by `retake up`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.process_id import ProcessId
from deploy.local.supervisor.state import SystemState
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

    def process(self, part: str) -> ProcessId | None:
        """As its supervisor has it; None while it is restarting. `part` may be the supervisor, too."""
        state = SystemState.read(DataDir.of(self.data).state)
        assert state, "the system has left no state"
        processes = {"supervisor": state.supervisor} | {p.name: p.process for p in state.parts}
        found = processes[part]
        return found if found and found.alive else None

    def kill(self, part: str, how: signal.Signals = signal.SIGKILL) -> bool:
        """Kill a part; False if it is restarting at the moment."""
        process = self.process(part)
        if process is None:
            return False
        process.signal(how)
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
