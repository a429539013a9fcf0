"""`python -m tests.support.storm --minutes 10 --seed 7 --replicas 2`; exit code 1 if an invariant is violated."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.parts.kafka.node import ApacheKafka
from tests.support.background import Background
from tests.support.brokers import APACHE_PARTITIONS, ApacheBroker, fetch_jars
from tests.support.components import Missing
from tests.support.storm.checker import check
from tests.support.storm.history import History
from tests.support.storm.run import Storm, run

ROOT: Final = Path(__file__).resolve().parents[3]
READY_S: Final = 300.0  # a storm leaves little of the machine to a broker that starts
OUT: Final = ROOT / "out" / "storm"


def tell(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


async def storm(asked: Storm, folder: Path) -> int:
    with Background() as background:
        node = ApacheKafka(folder / "kafka", partitions=APACHE_PARTITIONS, ready_timeout_s=READY_S)
        broker = ApacheBroker(node, folder / "kafka", background)
        await broker.start()
        try:
            outcome = await run(asked, folder, broker, tell)
        finally:
            await broker.stop()
    print(outcome.table, flush=True)
    tell(f"the report, the history and the logs are in {folder}")
    return 1 if outcome.violations else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.storm", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1, help="the same seed: the same faults at the same times")
    parser.add_argument("--replicas", type=int, choices=(1, 2, 3), default=1, help="of each service")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--settle", type=float, default=240.0, metavar="S", help="seconds until everything has ended")
    parser.add_argument("--check", type=Path, metavar="FILE", help="check a kept history again; no storm")
    given = parser.parse_args(arguments)
    if given.check:
        violations = check(History.load(given.check))
        print("\n".join(map(str, violations)) or "every invariant holds")
        return 1 if violations else 0
    if sys.platform != "linux":
        print("A storm runs on Linux only: it forks the services and pauses them by signals.", file=sys.stderr)
        return 2
    logging.disable()  # of the brokers' clients, which cannot reach it now and then
    try:
        fetch_jars()
    except Missing as e:
        print(f"A storm needs Apache Kafka: {e}. `make system` installs what it needs.", file=sys.stderr)
        return 2
    folder = OUT / f"seed-{given.seed}-replicas-{given.replicas}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asked = Storm(given.minutes * 60, given.seed, given.replicas, given.clients, given.settle)
    return asyncio.run(storm(asked, folder))


if __name__ == "__main__":
    sys.exit(main())
