"""`retake up` until everything is ready, as a user waits for it. Median of five runs, each in a new data directory:
databases are created and migrated, the broker and the four services start."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from bench._report import save, table
from deploy.local.supervisor.preflight import free_port
from tests.support.system import start

RUNS: Final = 5
REACH_S: Final = 8


def main() -> None:
    times = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
            began = time.monotonic()
            system = start(Path(folder) / "data", "--port", str(free_port()))
            times.append(time.monotonic() - began)
            system.down()
    table(
        "retake up → ready",
        ["", "s", "reach"],
        [
            ["median", statistics.median(times), f"≤ {REACH_S}"],
            ["fastest", min(times), ""],
            ["slowest", max(times), ""],
        ],
    )
    print(f"raw numbers: {save('start', {'seconds': times, 'reach': REACH_S})}")


if __name__ == "__main__":
    main()
