"""The generator as a process of its own, and one whose runs stop at a step that their directions name.

`python -m tests.support.generator_process FOLDER` serves it as `shared.web.server` does, with stop points put around
the steps from here: production code knows nothing of them. A run whose directions say "stop at looking" leaves
FOLDER/RUN when it gets there, and waits for FOLDER/go.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.generator.commands.candidates import CandidateMaker
from services.generator.providers.replicate.provider import ReplicateProvider
from services.generator.store.attempts import AttemptRepository
from services.generator.store.calls import CallRepository
from shared.web.server import main as serve

ROOT: Final = Path(__file__).resolve().parents[2]
STEPS: Final = ("claimed", "intent written", "sent", "looking", "fetching", "object written", "before commit")


class Stops:
    """Which run is where; runs are known by their id, or by their prediction's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.step_of: dict[str, str] = {}
        self.run_of: dict[str, str] = {}

    def know(self, run_id: str, directions: str) -> None:
        self.step_of[run_id] = directions.rpartition("stop at ")[2]

    async def reach(self, step: str, run_id: str | None) -> None:
        if run_id is None or self.step_of.get(run_id) != step:
            return
        (self.folder / run_id).touch()
        while not (self.folder / "go").exists():
            await asyncio.sleep(0.05)


def put_in(stops: Stops) -> None:
    """Around each step, what stops there first (or, for the object that is written, afterwards)."""
    prepare, submit, poll, fetch = (getattr(ReplicateProvider, n) for n in ("prepare", "submit", "poll", "fetch"))
    submitted, store = CallRepository.mark_submitted, CandidateMaker._store
    preview_ready = AttemptRepository.mark_preview_ready

    async def prepares(self: Any, order: Any) -> Any:
        stops.know(order.run_id, order.directions)
        await stops.reach("claimed", order.run_id)
        return await prepare(self, order)

    async def submits(self: Any, call_id: str, order: Any) -> Any:
        await stops.reach("intent written", order.run_id)
        handle = await submit(self, call_id, order)
        stops.run_of[handle["id"]] = order.run_id
        return handle

    async def is_submitted(self: Any, call: Any, handle: Any) -> Any:
        await stops.reach("sent", call.run_id)
        return await submitted(self, call, handle)

    async def polls(self: Any, handle: Any) -> Any:
        await stops.reach("looking", stops.run_of.get(handle["id"]))
        return await poll(self, handle)

    async def fetches(self: Any, order: Any, done: Any, work: Path) -> Any:
        await stops.reach("fetching", order.run_id)
        return await fetch(self, order, done, work)

    async def stores(self: Any, run: Any, *args: Any) -> Any:
        version = await store(self, run, *args)
        await stops.reach("object written", run.run_id)
        return version

    async def settles(self: Any, attempt: Any, now: Any) -> Any:
        await stops.reach("before commit", attempt.job_id)
        return await preview_ready(self, attempt, now)

    ReplicateProvider.prepare, ReplicateProvider.submit = prepares, submits  # type: ignore[method-assign]
    ReplicateProvider.poll, ReplicateProvider.fetch = polls, fetches  # type: ignore[method-assign]
    CallRepository.mark_submitted = is_submitted  # type: ignore[method-assign]
    CandidateMaker._store = stores  # type: ignore[method-assign]
    AttemptRepository.mark_preview_ready = settles  # type: ignore[method-assign]


@dataclass
class Generator:
    """A running one."""

    process: subprocess.Popen[bytes]
    log: Path

    def send(self, how: signal.Signals) -> None:
        self.process.send_signal(how)

    def end(self, how: signal.Signals = signal.SIGKILL, within: float = 20) -> int:
        self.send(how)
        return self.process.wait(within)


def start(environment: Mapping[str, str], log: Path, stops: Path | None = None) -> Generator:
    """With `stops`, one whose runs stop."""
    module = ["tests.support.generator_process", str(stops)] if stops else ["shared.web.server", "generator"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=os.environ | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    return Generator(process, log)


if __name__ == "__main__":
    put_in(Stops(Path(sys.argv[1])))
    serve("generator")
