"""The animatic provider: seconds of video per second of one core, including drawing and encoding; also sound and
cards.

The photographs are scikit-image's if that package is installed (the demo's), else noise at every scale, which is
harder to encode than any photograph. Medians of three runs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench._report import save, table
from services.generator.media import worker_process as worker
from services.generator.providers.animatic import engine

RUNS = 3
SECONDS = 5.0
REACH = 0.7  # x real time per core at 1080p24
MOVES = (
    ("coffee.png", "slow push in"),
    ("astronaut.png", "push in"),
    ("rocket.jpg", "tilt up"),
    ("hubble_deep_field.jpg", "pan left"),
)
PARAGRAPH = "The rocket waits on its pad in the blue light before dawn. Nobody speaks. Then the engines wake. " * 4


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        rows = asyncio.run(_measure(Path(folder)))
    shown = [[r["what"], r["wall_s"], r["cpu_s"], r["x_per_core"], r["of_it"]] for r in rows]
    table("animatic, 1080p24", ["", "wall s", "core s", "x real time per core", "of it"], shown)
    videos = [row["x_per_core"] for row in rows if row["kind"] == "video"]
    print(f"videos: {min(videos):.2f}x to {max(videos):.2f}x real time per core (reach ≥ {REACH})")
    print(f"raw numbers: {save('animatic', {'rows': rows, 'reach': REACH})}")


async def _measure(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for name, words in MOVES:
        photo = _photograph(name, folder)

        async def render(photo: Path = photo, words: str = words) -> None:
            await engine.render_video(
                photo, words, seed=1, duration_s=SECONDS, out=folder / "out.mp4", width=1920, height=1080, fps=24
            )

        row = await _run("video", f"{photo.stem}: {words}", SECONDS, render)
        rows.append(row | {"of_it": f"drawing {_drawing(photo, words):.2f} core s"})
    for mood in ("calm piano", "epic orchestra"):

        async def music(mood: str = mood) -> None:
            await engine.compose(mood, duration_s=60, seed=1, out=folder / "music.flac")

        rows.append(await _run("music", f"music, 60 s: {mood}", 60, music) | {"of_it": ""})
    speech = await engine.speak(PARAGRAPH, out=folder / "speech.flac")

    async def narration() -> None:
        await engine.speak(PARAGRAPH, out=folder / "speech.flac")

    rows.append(
        await _run("narration", f"narration, {speech.duration_s:.0f} s", speech.duration_s, narration) | {"of_it": ""}
    )

    async def card() -> None:
        await engine.draw_card(
            "A boat on a calm sea at sunset", seed=1, width=1920, height=1080, out=folder / "card.png"
        )

    rows.append(await _run("card", "storyboard card", 0, card) | {"of_it": ""})
    return rows


async def _run(kind: str, what: str, seconds: float, work: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    walls, cores = [], []
    for _ in range(RUNS):
        began, before = time.monotonic(), _children()
        await work()
        walls.append(time.monotonic() - began)
        cores.append(_children() - before)
    cpu = statistics.median(cores)
    all_runs = {"wall": walls, "cpu": cores}
    return {"kind": kind, "what": what, "wall_s": statistics.median(walls), "cpu_s": cpu,
            "x_per_core": seconds / cpu if seconds else "", "all": all_runs}  # fmt: skip


def _children() -> float:
    """Processor seconds of all ended children: the drawing process, ffmpeg, and their guards."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _drawing(photo: Path, words: str) -> float:
    """The drawing process alone; its frames are discarded."""
    job = {"image": str(photo), "directions": words, "seed": 1, "duration_s": SECONDS, "frames": round(SECONDS * 24)}
    before = _children()
    subprocess.run(
        worker.command("services.generator.providers.animatic.draw"),
        input=worker.encode(job | {"width": 1920, "height": 1080}), stdout=subprocess.DEVNULL,
        env=worker.environment(), check=True,
    )  # fmt: skip
    return _children() - before


def _photograph(name: str, folder: Path) -> Path:
    if found := importlib.util.find_spec("skimage"):
        path = Path(str(found.origin)).parent / "data" / name
        if path.exists():
            return path
    out = folder / f"noise-{Path(name).stem}.png"
    rng = np.random.default_rng(len(name))
    total = np.zeros((1080, 1620, 3), np.float32)
    for cells, weight in ((8, 1.0), (40, 0.6), (200, 0.4), (800, 0.2)):
        small = Image.fromarray(rng.integers(0, 256, (cells * 2 // 3, cells, 3), dtype=np.uint8))
        total += weight * np.asarray(small.resize((1620, 1080), Image.Resampling.BICUBIC), np.float32)
    Image.fromarray(np.clip(total / 2.2, 0, 255).astype(np.uint8)).save(out)
    return out


if __name__ == "__main__":
    main()
