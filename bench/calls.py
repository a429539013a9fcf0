"""200 concurrent provider calls in one generator: its memory, with a limit of 300 MB. The emulator is another
process.

The generator is the real one (adapter, rows in PostgreSQL, downloads, checks) without its broker: events are passed
to it directly. All predictions start together, and end when all of them are running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench._report import save, table
from deploy.local.supervisor.preflight import free_port
from services.generator.domain.runs import Lane
from services.generator.media.inspection import FfmpegMediaProcessor
from services.generator.providers.base import Provider
from services.generator.providers.replicate import provider as replicate_provider
from services.generator.providers.replicate.settings import ReplicateSettings
from services.generator.store.limiter import ProviderLimiter
from shared.contracts.values import AssetKind
from shared.core.ids import new_id
from shared.observability.logging import configure_logging
from tests.support import events
from tests.support.generator import Bench, ScriptedMaker, open_bench
from tests.support.postgres import embedded_postgres
from tests.support.replicate.server import TOKEN
from tests.support.waiting import answers_http

CALLS = 200
LIMIT_MB = 300
TAKES_S = 60.0  # 200 calls begin within 20 s at 600 a minute


def main() -> None:
    configure_logging("generator", level="ERROR")
    parser = argparse.ArgumentParser(prog="bench.calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        found = asyncio.run(_measure(Path(folder), calls))
    table(
        f"{calls} calls at once in one generator",
        ["", "MB"],
        [["before", found["before_mb"]], ["all under way", found["under_way_mb"]], ["peak", found["peak_mb"]]],
    )
    print(
        f"peak {found['peak_mb']:.0f} MB (limit {LIMIT_MB}); {found['at_once']} were under way at once; "
        f"{found['previews']} previews, {found['paid']} paid, {found['seconds']:.0f} s"
    )
    print(f"raw numbers: {save('calls', found | {'limit_mb': LIMIT_MB, 'calls': calls})}")


async def _measure(folder: Path, calls: int) -> dict[str, Any]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    slow = json.dumps({"on": "prediction", "do": "slow", "times": calls, "seconds": TAKES_S})
    command = [
        sys.executable,
        "-m",
        "tests.support.replicate",
        "--port",
        str(port),
        "--fault",
        slow,
        "--folder",
        str(folder / "replicate"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as emulator:
        try:
            await answers_http(f"{url}/", within=60)
            async with (
                embedded_postgres(folder / "postgres") as postgres,
                open_bench(await postgres.fresh("generator"), folder, media=FfmpegMediaProcessor()) as bench,
            ):
                return await _run(bench, url, calls)
        finally:
            emulator.kill()


async def _run(bench: Bench, url: str, calls: int) -> dict[str, Any]:
    made = replicate_provider.ReplicateProvider(ReplicateSettings(api_token=TOKEN, base_url=url))
    bench.rewire(
        default_provider="replicate",
        providers={
            "replicate": Provider(replicate_provider.lane, remote=made),
            "animatic": Provider(lambda kind: Lane.RENDER, ScriptedMaker()),
        },
    )
    await ProviderLimiter(bench.pool).configure(bench.adapters.catalogue.limits)
    for number in range(calls):
        await bench.handle(
            events.regenerate_requested(
                asset_kind=AssetKind.IMAGE, asset_id=new_id(), overrides={"directions": f"Boat {number}", "size": "1K"}
            )
        )
    found: dict[str, Any] = {"before_mb": _memory("VmRSS")}
    began, at_once = time.monotonic(), 0
    async with bench.worker():
        while not (ended := await _ended(bench)) or ended < calls:
            under_way = await bench.pool.fetchval("select count(*) from provider_calls where state = 'submitted'")
            if under_way > at_once:
                at_once, found["under_way_mb"] = under_way, _memory("VmRSS")
            await asyncio.sleep(0.5)
    books = json.load(urllib.request.urlopen(f"{url}/_emulator/books"))
    previews = len(await bench.published("preview-ready"))
    return found | {
        "at_once": at_once,
        "peak_mb": _memory("VmHWM"),
        "previews": previews,
        "paid": books["paid"],
        "seconds": time.monotonic() - began,
    }


async def _ended(bench: Bench) -> int:
    count: int = await bench.pool.fetchval("select count(*) from runs where state not in ('queued', 'generating')")
    return count


def _memory(name: str) -> float:
    """Memory of this process in MB: VmRSS is the present value, VmHWM the peak."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith(name))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
