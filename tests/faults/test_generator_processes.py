"""The generator and Replicate as real processes: killed at every step, paused past its lease, replaced under load.

However it ends, each candidate was paid once, what was paid was made into a version, and nothing runs on at Replicate.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.supervisor.preflight import free_port
from services.generator.providers.base import Provider
from services.generator.providers.replicate import provider as replicate_provider
from shared.contracts.values import AssetKind
from shared.core.ids import new_id
from tests.support import events
from tests.support.brokers import EmbeddedBroker
from tests.support.generator import Bench, emptied_database, open_bench
from tests.support.generator_process import ROOT, STEPS, Generator, start
from tests.support.postgres import Postgres
from tests.support.replicate.server import TOKEN
from tests.support.waiting import answers_http, eventually

SPEED = 100


@dataclass
class Emulator:
    url: str

    def books(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/_emulator/books", timeout=10) as answer:
            return json.load(answer)

    def script(self, **fault: Any) -> None:
        body = json.dumps(fault).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/_emulator/faults", body), timeout=10).close()


@pytest_asyncio.fixture
async def replicate(tmp_path: Path) -> AsyncIterator[Emulator]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "tests.support.replicate",
        "--port",
        str(port),
        "--speed",
        str(SPEED),
        "--folder",
        str(tmp_path / "replicate"),
    ]
    with (
        (tmp_path / "replicate.log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log) as process,
    ):
        await answers_http(f"http://127.0.0.1:{port}/", within=90)
        yield Emulator(f"http://127.0.0.1:{port}")
        process.kill()


@dataclass
class Stage:
    """The database, seen from outside, and the processes that work on it."""

    bench: Bench
    replicate: Emulator
    environment: dict[str, str]
    folder: Path
    running: list[Generator] = field(default_factory=list)

    def start(self, *, stopping: bool = False) -> Generator:
        number = len(self.running)
        own = {"GENERATOR_PORT": str(free_port()), "GENERATOR_WORK_DIR": str(self.folder / f"work-{number}")}
        started = start(
            self.environment | own, self.folder / f"generator-{number}.log", self.folder if stopping else None
        )
        self.running.append(started)
        return started

    async def request(self, directions: str, **overrides: Any) -> str:
        request = events.regenerate_requested(
            asset_kind=AssetKind.IMAGE,
            asset_id=new_id(),
            overrides={"directions": directions, "size": "1K"} | overrides,
        )
        await self.bench.handle(request)
        return str(request.run_id)

    async def stopped(self, runs: list[str]) -> None:
        await eventually(lambda: all((self.folder / run).exists() for run in runs), within=100, what="each at its step")

    async def ended(self, runs: list[str], within: float = 100) -> None:
        async def over() -> bool:
            return not await self.bench.pool.fetchval(
                "select count(*) from runs where run_id = any($1::uuid[]) and state in ('queued', 'generating')", runs
            )

        await eventually(over, within=within, every=0.1, what="the end of every run")

    def sent(self) -> Counter[str]:
        """Predictions by what was asked, those that Replicate charges only."""
        return Counter(
            p["asked"]["prompt"]
            for p in self.replicate.books()["predictions"]
            if p["status"] not in ("canceled", "failed", "aborted")
        )


@pytest_asyncio.fixture
async def stage(
    postgres: Postgres, embedded_broker: EmbeddedBroker, replicate: Emulator, tmp_path: Path
) -> AsyncIterator[Stage]:
    url = await emptied_database(postgres)
    environment = {
        "GENERATOR_DATABASE_URL": url,
        "GENERATOR_KAFKA_BOOTSTRAP": embedded_broker.bootstrap,
        "GENERATOR_KAFKA_EMBEDDED": "true",
        "GENERATOR_OBJECTS_URL": f"file://{tmp_path / 'objects'}",
        "GENERATOR_SIGNING_DIR": str(tmp_path / "signing"),
        "GENERATOR_DEFAULT_PROVIDER": "replicate",
        "REPLICATE_BASE_URL": replicate.url,
        "REPLICATE_API_TOKEN": TOKEN,
        "GENERATOR_REPLICATE_REQUEST_S": "2",
        "GENERATOR_REPLICATE_SETTLE_S": "4",
        "GENERATOR_REPLICATE_POLL_S": "0.1",
    }
    async with open_bench(url, tmp_path) as bench:
        bench.rewire(
            default_provider="replicate", providers={"replicate": Provider(replicate_provider.lane, maker=bench.maker)}
        )  # asked for its lane only
        made = Stage(bench, replicate, environment, tmp_path)
        try:
            yield made
        finally:
            for each in made.running:
                if each.process.poll() is None:
                    each.end()


@pytest.fixture(autouse=True)
def _ordinary_signals() -> Iterator[None]:
    """A shell that runs us in the background makes us ignore SIGINT; our children would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def test_killed_or_paused_at_any_step_each_run_is_paid_once_and_previewed(stage: Stage) -> None:
    stage.replicate.script(on="prediction", do="never_end", matching="cancelled; stop")
    first = stage.start(stopping=True)
    killed = [await stage.request(f"kill; stop at {step}") for step in STEPS]
    orphan = await stage.request("cancelled; stop at sent")
    await stage.stopped([*killed, orphan])
    first.end(signal.SIGKILL)
    await stage.bench.handle(events.cancel_requested(target_id=orphan))

    second = stage.start(stopping=True)
    paused = [await stage.request(f"pause; stop at {step}") for step in STEPS]
    await stage.stopped(paused)
    second.send(signal.SIGSTOP)

    stage.start()  # takes both over when their leases have run out
    await stage.ended([*killed, *paused])
    (stage.folder / "go").touch()
    second.send(signal.SIGCONT)  # goes on where it was, and is fenced
    await eventually(
        lambda: second.log.read_text().count("lease_lost") or second.log.read_text().count("fenced"),
        within=60,
        what="a fenced worker",
    )
    await _no_call_is_open(stage)

    assert stage.sent() == Counter(f"{how}; stop at {step}" for how in ("kill", "pause") for step in STEPS)
    [cancelled] = [p for p in stage.replicate.books()["predictions"] if p["asked"]["prompt"].startswith("cancelled")]
    assert cancelled["status"] == "canceled"
    assert await stage.bench.state(orphan) == "cancelled"
    for run in [*killed, *paused]:
        preview = await stage.bench.one("preview-ready", run_id=run)
        assert (len(preview.candidates), preview.cost.amount, preview.cost.calls) == (1, "0.03", 1), preview
    assert await stage.bench.pool.fetchval("select count(*) from versions") == len(killed) + len(paused)
    assert not list(stage.folder.glob("work-2/generator/scratch/*/[!.]*")), "no files are left of what is done"


async def _no_call_is_open(stage: Stage) -> None:
    async def none() -> bool:
        return not await stage.bench.pool.fetchval(
            "select count(*) from provider_calls where state in ('intended', 'submitted')"
        )

    await eventually(none, within=90, every=0.1, what="the end of every call")


async def test_replaced_under_load_nothing_is_paid_twice_and_no_attempt_is_lost(stage: Stage) -> None:
    first = stage.start()
    runs = [await stage.request(f"load {number}") for number in range(12)]
    await eventually(lambda: len(stage.replicate.books()["predictions"]) >= 6, within=100)
    second = stage.start()
    code = await asyncio.to_thread(first.end, signal.SIGTERM)
    assert code == 0 or code == -signal.SIGTERM, first.log.read_text()[-2000:]
    await stage.ended(runs)
    await _no_call_is_open(stage)
    assert second.process.poll() is None
    assert stage.sent() == Counter(f"load {number}" for number in range(12))
    assert len(await stage.bench.published("preview-ready")) == 12
    assert await stage.bench.pool.fetchval("select max(failures) from runs") == 0
