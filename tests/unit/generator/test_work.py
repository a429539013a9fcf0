"""Progress that is told but never waited for, and folders that do not stay behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from services.generator.commands.progress import RunProgress, Step
from services.generator.domain.attempts import Attempt
from services.generator.domain.runs import Run, Spent
from services.generator.domain.states import RunState
from services.generator.media.scratch import ScratchFolders
from shared.contracts.events.generator import Progress
from shared.core.errors import Retryable
from tests.support import events
from tests.support.virtual_time import LoopClock, virtual_time

RUN = Run(
    events.regenerate_requested(),
    events.cause(),
    RunState.GENERATING,
    3,
    {},
    "animatic",
    None,
    attempt=1,
    failures=0,
    step="x",
    spent=Spent(),
)


@dataclass
class Written:
    """Stands for the database: what was written, how long a write takes, whether the run is still ours."""

    told: list[tuple[str, float]] = field(default_factory=list)
    slow_s: float = 0.0
    ours: bool = True
    away: int = 0

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Any]:
        await asyncio.sleep(self.slow_s)
        if self.away:
            self.away -= 1
            raise Retryable("database_unavailable", "away")
        yield self

    async def record_progress(self, attempt: Attempt, step: str, percent: float, now: datetime) -> Run | None:
        return RUN if self.ours else None

    async def publish(self, cause: Any, *progress: Progress) -> None:
        self.told += [(p.message_code, p.percent or 0.0) for p in progress]


def reporter(written: Written, *, of: int = 1) -> RunProgress:
    return RunProgress(written.unit, Attempt("run", "token", 1), LoopClock(), of=of)


@virtual_time
async def test_steps_are_told_as_they_begin_and_shares_at_most_once_a_second() -> None:
    written = Written()
    async with reporter(written) as told:
        told.begin(Step.RENDERING)
        await asyncio.sleep(0.12)
        for share in range(50):
            told.advance(share / 50)
            await asyncio.sleep(0.002)
        told.begin(Step.VERIFYING)
        await asyncio.sleep(0.12)
    assert written.told == [("run.rendering", 5.0), ("run.verifying", 85.0)]


@virtual_time
async def test_shares_are_told_after_a_second() -> None:
    written = Written()
    async with reporter(written) as told:
        told.begin(Step.RENDERING)
        await asyncio.sleep(0.1)
        told.advance(0.5)
        await asyncio.sleep(1.2)
    assert written.told == [("run.rendering", 5.0), ("run.rendering", 45.0)]


@virtual_time
async def test_steps_that_pass_at_once_are_left_out_and_nobody_waits() -> None:
    written = Written(slow_s=0.2)
    began = asyncio.get_running_loop().time()
    async with reporter(written) as told:
        for step in (Step.RENDERING, Step.VERIFYING, Step.STORING):
            told.begin(step)
            await asyncio.sleep(0)
    assert asyncio.get_running_loop().time() == began
    assert written.told == []


@virtual_time
async def test_what_is_being_written_is_finished_before_the_end() -> None:
    written = Written(slow_s=0.3)
    async with reporter(written) as told:
        told.begin(Step.RENDERING)
        await asyncio.sleep(0.15)
    assert written.told == [("run.rendering", 5.0)]
    await asyncio.sleep(0.3)
    assert len(written.told) == 1


@virtual_time
async def test_the_percent_covers_all_candidates_and_never_goes_back() -> None:
    written = Written()
    async with reporter(written, of=2) as told:
        told.begin(Step.STORING, 0)
        await asyncio.sleep(0.12)
        told.begin(Step.RENDERING, 1)
        await asyncio.sleep(0.12)
    assert written.told == [("run.storing", 47.5), ("run.rendering", 52.5)]


@virtual_time
async def test_it_falls_silent_when_the_run_is_no_longer_ours_and_survives_the_database() -> None:
    gone = Written(ours=False)
    async with reporter(gone) as told:
        told.begin(Step.RENDERING)
        await asyncio.sleep(0.12)
    assert gone.told == []
    away = Written(away=1)
    async with reporter(away) as told:
        told.begin(Step.RENDERING)
        await asyncio.sleep(0.12)
        told.begin(Step.VERIFYING)
        await asyncio.sleep(0.12)
    assert away.told == [("run.verifying", 85.0)]


async def test_a_folder_is_gone_after_its_work(tmp_path: Path) -> None:
    async with ScratchFolders(tmp_path, "mine") as scratch:
        async with scratch.folder("run") as folder:
            (folder / "file").write_text("x")
        assert not folder.exists()
    assert list(tmp_path.iterdir()) == []


async def test_what_a_killed_process_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys, pathlib\nfrom services.generator.media.scratch import ScratchFolders\n"
        "async def main():\n"
        "    async with ScratchFolders(pathlib.Path(sys.argv[1]), sys.argv[2]) as s:\n"
        "        async with s.folder('run') as f:\n"
        "            (f / 'file').write_text('x'); print('ready', flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )

    def start(name: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name], stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        return process

    dead = start("dead")
    dead.kill()
    dead.wait()
    living = start("living")
    try:
        assert not (tmp_path / "dead").exists()
        async with ScratchFolders(tmp_path, "mine"):
            assert (tmp_path / "living" / "run" / "file").exists()
    finally:
        living.kill()
        living.wait()
