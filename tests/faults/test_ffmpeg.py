"""ffmpeg crashes, hangs, or runs out of memory or disk: one retry, then a clear failure, and nothing left behind."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from services.generator.providers.animatic.engine import render_video
from shared.contracts.events.compiler import FilmState
from shared.core.errors import Retryable
from shared.media.ffmpeg import ffmpeg_exe
from shared.media.probe import probe
from tests.support.compiler_harness import CompilerHarness, Start, item, requested, sources, start
from tests.support.films import watch
from tests.support.http_client import photograph
from tests.support.waiting import eventually

__all__ = ["sources", "start"]

# What becomes of an ffmpeg that encodes; `last` is its output's path.
FAULTS = {
    "crash": ("kill -SEGV $$", {"ffmpeg_killed"}, "SIGSEGV"),
    "hang": ("while :; do echo frame=1; sleep 0.1; done", {"ffmpeg_stalled"}, "hung"),
    # Wherever the memory ends: parts of ffmpeg say so, others fall over.
    "memory": ('ulimit -v 150000; exec "$real" "$@"', {"out_of_memory", "ffmpeg_killed"}, "ffmpeg"),
    "disk": ('exec "$real" "$@" -y -f mpegts /dev/full', {"disk_full"}, "disk is full"),
}


@dataclass
class Faulty:
    """A wrapper around ffmpeg that fails for the first `times` encodings."""

    folder: Path
    real: str
    monkeypatch: pytest.MonkeyPatch

    def install(self, fault: str, times: int) -> None:
        script = self.folder / "ffmpeg"
        (self.folder / "left").write_text(str(times))
        script.write_text(f"""#!/bin/sh
real={self.real}
case "$*" in *lavfi*) exec "$real" "$@" ;; *libx264*) ;; *) exec "$real" "$@" ;; esac
left=$(cat {self.folder}/left)
[ "$left" -gt 0 ] || exec "$real" "$@"
echo $((left - 1)) > {self.folder}/left
{FAULTS[fault][0]}
""")
        script.chmod(0o755)
        self.monkeypatch.setenv("RETAKE_FFMPEG", str(script))
        self.monkeypatch.setattr("shared.media.ffmpeg.STALL_S", 1.0 if fault == "hang" and times else 120.0)

    def running(self) -> list[psutil.Process]:
        """All of our ffmpeg processes, including wrappers and guards."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(str(self.folder) in word for word in process.info["cmdline"] or ())
        ]


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    folder = tmp_path / "faulty"
    folder.mkdir()
    monkeypatch.setattr("shared.core.processes.isolated", lambda _files=None: ())  # the script keeps a count in a file
    return Faulty(folder, ffmpeg_exe(), monkeypatch)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_film_survives_one_fault_and_ends_in_words_after_two(
    fault: str, faulty: Faulty, start: Start, sources: Path
) -> None:
    _, codes, words = FAULTS[fault]
    async with start(render_ahead=False) as stage:
        video = await stage.commit(sources / "b.mp4")
        faulty.install(fault, times=9)
        failed = await stage.film(requested(item(1, video)))
        assert failed.state is FilmState.FAILED
        assert failed.problem.code in codes, failed.problem
        assert "Segment 1" in failed.problem.cause
        assert words in failed.problem.cause
        assert failed.problem.recovery.startswith("It was tried 2 times. ")
        assert "by itself" not in failed.problem.recovery
        assert (faulty.folder / "left").read_text().strip() == "7", "one retry, no more"
        await _nothing_is_left(stage, faulty)
        faulty.install(fault, times=0 if fault == "hang" else 1)
        film = await stage.film(requested(item(1, video)))
        assert film.state is FilmState.COMPLETED, film.problem
        assert watch(stage.path(film.object), 24).pts == list(range(48))
        await _nothing_is_left(stage, faulty)


async def _nothing_is_left(stage: CompilerHarness, faulty: Faulty) -> None:
    await stage.is_tidy()
    assert not [p for p in stage.objects.rglob(".incoming/*") if p.is_file()], "half of an object"
    await eventually(lambda: not faulty.running(), what="the end of every ffmpeg")


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_animatic_that_cannot_be_encoded_leaves_nothing_and_may_be_tried_again(
    fault: str, faulty: Faulty, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(photograph())

    async def render() -> None:
        await render_video(picture, "slow zoom in", seed=1, duration_s=1, width=160, height=90, fps=24,
                           out=folder / "video.mp4")  # fmt: skip

    faulty.install(fault, times=1)
    with pytest.raises(Retryable) as failure:
        await render()
    assert failure.value.code in FAULTS[fault][1], failure.value.cause
    assert not list(folder.iterdir())
    await eventually(lambda: not faulty.running(), what="the end of every ffmpeg")
    faulty.install(fault, times=0)
    await render()
    assert (await asyncio.to_thread(probe, folder / "video.mp4")).frames == 24


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a disk of a given size as the compiler's working folder; skips if that is not permitted."""
    mounted = []

    def mount(size: str) -> Path:
        path = tmp_path / "work"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no disk can be mounted here (needs root)")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "-l", str(path)], check=False)


async def test_a_film_that_finds_no_room_frees_what_it_took(
    start: Start, sources: Path, small_disk: Callable[[str], Path]
) -> None:
    """A scratch disk with room for a piece but not for the film's sound."""
    small_disk("300k")
    async with start(render_ahead=False) as stage:
        video = await stage.commit(sources / "b.mp4")
        failed = await stage.film(requested(item(1, video)))
        assert (failed.state, failed.problem.code) == (FilmState.FAILED, "disk_full"), failed.problem
        assert "Free some space" in failed.problem.recovery
        await stage.is_tidy()
