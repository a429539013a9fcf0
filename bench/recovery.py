"""kill -9 of a service during a run: seconds from the kill until the run makes progress again.

For the generator, that is the next attempt at the interrupted run (its percentage starts again; events that were in
flight at the kill do not count); for review, the verdict on a decision that was submitted at the same moment; for the
gateway, the run's state over HTTP. The supervisor of `retake up` restarts the service. Median of three runs each.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench._report import save, table
from deploy.local.supervisor.preflight import free_port
from tests.support.system import System, start

RUNS: Final = 3
REACH_S: Final = 15
PATIENCE_S: Final = 120
WELL_ON: Final = 20.0  # percent: what a new attempt begins below


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        system = start(Path(folder) / "data", "--port", str(free_port()))
        try:
            asset = _asset(system)
            found = {
                part: [_killed(system, asset, part) for _ in range(RUNS)] for part in ("generator", "review", "gateway")
            }
        finally:
            system.down()
    table(
        "kill -9 → the run continues",
        ["", "median s", "worst s", f"reach {REACH_S}"],
        [
            [part, statistics.median(times), max(times), "yes" if max(times) <= REACH_S else "no"]
            for part, times in found.items()
        ],
    )
    print(f"raw numbers: {save('recovery', {'seconds': found, 'reach': REACH_S})}")


def _asset(system: System) -> str:
    project = system.api.get("/projects")["data"][0]["id"]
    body = {
        "title": "Recovery",
        "segments": [{"scene_info": {"description": "A lighthouse"}, "duration": 5}],
        "output": {"width": 1920, "height": 1080, "fps": 24, "fit": "blur"},
    }
    episode = system.api.post(f"/projects/{project}/episodes", body)
    shown = system.api.get(f"/episodes/{episode['id']}")
    image, video = (
        next(str(a["id"]) for a in shown["assets"] if a["kind"] == kind) for kind in ("starting_image", "video")
    )
    run = system.api.post(f"/assets/{image}/runs", {})["id"]  # a video is made from it
    _until(system, run, lambda r: r["status"] == "preview_ready")
    _accept(system, run)
    return video


def _killed(system: System, asset: str, part: str) -> float:
    run = system.api.post(f"/assets/{asset}/runs", {})["id"]
    _until(system, run, lambda r: r["status"] == "generating" and (r["percent"] or 0) >= WELL_ON)
    if part == "review":
        _until(system, run, lambda r: r["status"] == "preview_ready")
        system.kill(part)
        began = time.monotonic()
        _accept(system, run)
        return time.monotonic() - began
    system.kill(part)
    began = time.monotonic()
    _until(system, run, _answered if part == "gateway" else _begun_again)
    took = time.monotonic() - began
    _until(system, run, lambda r: r["status"] == "preview_ready")
    _accept(system, run)
    return took


def _begun_again(run: dict[str, Any]) -> bool:
    return run["status"] == "preview_ready" or (run["percent"] or 0) < WELL_ON


def _answered(run: dict[str, Any]) -> bool:
    return run["status"] in ("generating", "preview_ready")


def _accept(system: System, run: str) -> None:
    system.api.post(f"/runs/{run}/review", {"action": "approve"})
    _until(system, run, lambda r: r["status"] == "complete")


def _until(system: System, run: str, there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Ignore errors while a service restarts."""
    found: dict[str, Any] = system.api.until(f"/runs/{run}", there, PATIENCE_S)
    return found


if __name__ == "__main__":
    main()
