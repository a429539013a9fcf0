"""Inspecting a version: wall seconds per second of 1080p video, everything included (one decode, poster, filmstrip,
loudness, quality). Also with the proxy for unusual videos, and the splitting of a film at its cuts.

The clip has grain and motion, so that decoding is expensive. Medians of three runs; `--film MINUTES` also splits a
film.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from bench._films import ffmpeg
from bench._report import save, table
from services.generator.domain.film_splits import DEFAULT_THRESHOLD, plan_split
from services.generator.media.base import ComparisonFiles
from services.generator.media.film.cutter import FilmCutter
from services.generator.media.inspection import FfmpegMediaProcessor
from shared.contracts.values import AssetKind

RUNS: Final = 3
SECONDS: Final = 5
REACH: Final = 0.6  # wall seconds per second of 1080p video, on 2 cores
AT_ONCE: Final = 8  # as the use case cuts
SPLIT_REACH: Final = 0.5  # 10 minutes of 720p within 5
GRAIN: Final = "noise=alls=4:allf=t,format=yuv420p"
HEVC: Final = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")
H264: Final = ("-c:v", "libx264", "-preset", "superfast", "-b:v", "20M", "-maxrate", "24M", "-bufsize", "24M")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", type=float, default=0.0, metavar="MINUTES", help="also split a 720p film")
    minutes = parser.parse_args().film
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as folder:
        rows = asyncio.run(_measure(Path(folder), minutes))
    shown = [[r["what"], r["wall_s"], r["per_s"], f"≤ {r['reach']}" if r["reach"] else ""] for r in rows]
    table("looking into video", ["", "wall s", "wall s per s of video", "reach"], shown)
    print(f"raw numbers: {save('inspect', {'rows': rows})}")


async def _measure(folder: Path, minutes: float) -> list[dict[str, Any]]:
    rows = []
    for what, codec, reach in (("1080p H.264 with sound", H264, REACH), ("1080p HEVC, with its proxy", HEVC, None)):
        clip = folder / "clip.mp4"
        _make(clip, "1920x1080", SECONDS, codec)
        image, ends = await _neighbours(clip, folder)

        async def look(clip: Path = clip, image: Path = image, ends: Path | None = ends) -> None:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                comparison = ComparisonFiles(starting_image=image, previous=ends)
                await FfmpegMediaProcessor().inspect(clip, AssetKind.VIDEO, Path(work), comparison)

        rows.append(await _timed(what, SECONDS, look, RUNS) | {"reach": reach})
    if minutes:
        film = folder / "film.mp4"
        parts = max(1, round(minutes * 60 / 10))
        await asyncio.to_thread(_film, film, folder, parts)
        rows.append(
            await _timed(f"{parts * 10 / 60:g} minutes of 720p, split", parts * 10, lambda: _split(film, folder), 1)
            | {"reach": SPLIT_REACH}
        )
    return rows


async def _neighbours(clip: Path, folder: Path) -> tuple[Path, Path | None]:
    """A starting image, and the last frame of the previous segment from its own analysis."""
    image, work = folder / "image.png", folder / "before"
    ffmpeg("-i", clip, "-frames:v", "1", "-update", "1", image)
    work.mkdir(exist_ok=True)
    return image, (await FfmpegMediaProcessor().inspect(clip, AssetKind.VIDEO, work, ComparisonFiles())).last_frame


def _make(path: Path, size: str, seconds: int, codec: tuple[str, ...], hue: int = 0) -> None:
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        f"testsrc2=size={size}:rate=24:duration={seconds}",
        "-f",
        "lavfi",
        "-i",
        f"sine=duration={seconds}",
        "-vf",
        f"hue=h={hue},{GRAIN}",
        *codec,
        "-c:a",
        "aac",
        path,
    )


def _film(film: Path, folder: Path, parts: int) -> None:
    """Ten-second scenes of different colours and positions, encoded as one film."""
    scenes = []
    for n in range(min(parts, 6)):
        scenes.append(folder / f"scene-{n}.mp4")
        _make(scenes[-1], "1280x720", 10, H264, hue=60 * n)
    order = folder / "scenes.txt"
    order.write_text("".join(f"file '{scenes[n % len(scenes)]}'\n" for n in range(parts)))
    ffmpeg(
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        order,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-crf",
        "23",
        "-c:a",
        "copy",
        film,
    )


async def _split(film: Path, folder: Path) -> None:
    cutter = FilmCutter()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        opened = await cutter.open(film, work, lambda share: None)
        changes = await cutter.find_scene_changes(opened, DEFAULT_THRESHOLD, work, lambda share: None)
        spans = plan_split(opened.timeline, changes).spans
        for start in range(0, len(spans), AT_ONCE):
            await cutter.cut(opened, spans[start : start + AT_ONCE], work)
    print(f"{len(spans)} segments, {sum(s.copied for s in spans)} of them copied")


async def _timed(what: str, seconds: float, work: Callable[[], Awaitable[None]], runs: int) -> dict[str, Any]:
    walls = []
    for _ in range(runs):
        began = time.monotonic()
        await work()
        walls.append(time.monotonic() - began)
    wall = statistics.median(walls)
    return {"what": what, "wall_s": wall, "per_s": wall / seconds, "all": walls}


if __name__ == "__main__":
    main()
