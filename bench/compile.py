"""Time to compile a film, compared with ffmpeg and MoviePy.

The complete compiler runs in a process of its own with the embedded broker and PostgreSQL: each time is from sending
the request to receiving `completed`, with a playable film and its sha256. The peers get the same sources or the same
pieces, alternating with it. Films are signed after `completed`; each run waits for that to end. The results of each
part are kept in out/bench/compile.json, with a plot next to it, so that one part can be repeated alone: `python -m
bench.compile --part hundred`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from bench import _peers
from bench._films import DISSOLVE, Bench, make_sources, order, running
from bench._report import OUT, save, table
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.gateway import CompileRequested
from shared.media.ffmpeg import ffmpeg_exe
from shared.observability.logging import configure_logging

RUNS: Final = 7
SOURCES: Final = OUT / "sources"
_RENDERED: Final = ("window", "chunk", "track", "stem", "poster")
PARTS: Final = {
    "hd": "10 segments of 5 s at 1080p: cut and fades; ffmpeg's concat copy and xfade graph",
    "moviepy": "10 segments at 720p with fades; MoviePy, stopped after 5 minutes",
    "hundred": "100 segments of 5 s at 720p, 99 fades: ffmpeg's concat copy",
}


@dataclass
class Rows:
    """The rows of one part, printed as they are measured."""

    part: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, what: str, seconds: list[float], **more: Any) -> float:
        median = round(statistics.median(seconds), 3)
        row = {"what": what, "seconds": median, "runs": [round(s, 3) for s in seconds], **more}
        self.rows.append(row)
        print(f"  {what:62} {median:9.3f} s  {more or ''}", flush=True)
        return median

    def ratio(self, what: str, value: float, reach: str, *, reached: bool) -> None:
        self.rows.append({"what": what, "ratio": round(value, 3), "reach": reach, "reached": reached})
        print(f"  {what:62} {value:9.2f} x  (reach {reach}{'' if reached else ': MISSED'})", flush=True)


async def hd(folder: Path, rows: Rows, clips: int, height: int) -> None:
    sources = SOURCES / str(height)
    make_sources(sources, clips, height)
    xfade = _peers.xfade_graph(sources, clips, height, folder / "xfade.mp4")
    rows.add("xfade graph, veryfast, music, loudnorm", [xfade.seconds], megabytes=xfade.megabytes)
    async with running(folder) as bench:
        for name, after in (("fades", DISSOLVE), ("cut", None)):
            request = await order(bench, sources, clips, height, after)
            cold, film = await bench.film(request)
            rows.add(f"{name}: nothing conformed", [cold], **_facts(film), estimate_s=bench.estimate)
            if after:
                rows.ratio("fades, nothing conformed: of the xfade graph", cold / xfade.seconds, "≤ 1",
                           reached=cold <= xfade.seconds)  # fmt: skip
            ready = await _ready(bench, rows, name, request, folder)
            await bench.forget(*_RENDERED)
            missing, film = await bench.film(request)
            rows.add(f"{name}: conformed, the rest missing", [missing], **_facts(film), estimate_s=bench.estimate)
            if after:
                rows.ratio("fades, ready: faster than the xfade graph", xfade.seconds / ready, "≥ 100",
                           reached=xfade.seconds / ready >= 100)  # fmt: skip
                rows.ratio("fades, conformed: faster than the xfade graph", xfade.seconds / missing, "≥ 5",
                           reached=xfade.seconds / missing >= 5)  # fmt: skip
            await _one_changed(bench, rows, name, request)
            await bench.forget("clip", *_RENDERED)


async def _ready(bench: Bench, rows: Rows, name: str, request: CompileRequested, folder: Path) -> float:
    """Ours and concat's alternately, so that other load affects both; neither waits for the other's writes."""
    pieces = await bench.files("clip")
    ours, theirs = [], []
    concat, film = _peers.Taken(0, 0), (await bench.film(request))[1]
    before, most = bench.resident(), 0.0
    for _ in range(RUNS):
        await asyncio.to_thread(os.sync)
        seconds, film = await bench.film(request)
        ours.append(seconds)
        await asyncio.to_thread(os.sync)
        most = max(most, bench.megabytes)
        concat = await asyncio.to_thread(_peers.concat_copy, pieces, folder / "concat.mp4")
        theirs.append(concat.seconds)
    memory = {"megabytes": round(most), "idle_megabytes": round(before)}
    assert film.object is not None
    ready = rows.add(f"{name}: every piece ready", ours, film_mb=round(film.object.size / 1e6, 1), **memory)
    copied = rows.add(f"{name}: ffmpeg concat -c copy of the clips", theirs, megabytes=concat.megabytes)
    rows.ratio(f"{name}, ready: of concat copy", ready / copied, "≤ 0.5", reached=ready <= 0.5 * copied)
    await asyncio.to_thread(_decodes, bench.path(film))  # the loop must answer the broker meanwhile
    return ready


async def _one_changed(bench: Bench, rows: Rows, name: str, request: CompileRequested) -> None:
    """Replace the middle segment by the first one: its clip exists, but its two transitions do not."""
    middle = len(request.items) // 2
    changed = request.items[middle].model_copy(update={"video": request.items[0].video})
    items = [*request.items[:middle], changed, *request.items[middle + 1 :]]
    again, film = await bench.film(request.model_copy(update={"items": items}))
    rows.add(f"{name}: one segment changed", [again], **_facts(film), estimate_s=bench.estimate)


async def moviepy(folder: Path, rows: Rows, clips: int, height: int) -> None:
    sources = SOURCES / str(height)
    make_sources(sources, clips, height)
    async with running(folder) as bench:
        request = await order(bench, sources, clips, height, DISSOLVE)
        cold, film = await bench.film(request)
        rows.add("fades: nothing conformed", [cold], **_facts(film))
        ready = await _ready(bench, rows, "fades", request, folder)
    peer = await asyncio.to_thread(_peers.moviepy, sources, clips, height, folder / "moviepy.mp4")
    if peer:
        note = "" if peer.finished else " (stopped, not finished)"
        rows.add(f"MoviePy, cross fades and music{note}", [peer.seconds], megabytes=peer.megabytes)
        faster = peer.seconds / ready
        rows.ratio("fades, ready: faster than MoviePy", faster, "≥ 100", reached=faster >= 100)


async def hundred(folder: Path, rows: Rows, clips: int, height: int) -> None:
    sources = SOURCES / f"{height}-conformed"
    make_sources(sources, clips, height, conformed=True)
    async with running(folder) as bench:
        request = await order(bench, sources, clips, height, DISSOLVE)
        missing, film = await bench.film(request)
        rows.add(f"{clips} fades: conformed, the rest missing", [missing], **_facts(film), estimate_s=bench.estimate)
        await _ready(bench, rows, f"{clips} fades", request, folder)


def _facts(film: FilmUpdated) -> dict[str, Any]:
    assert film.report is not None
    return {"reused": film.report.pieces_reused, "rendered": film.report.pieces_rendered}


def _decodes(film: Path) -> None:
    """Check that the film plays: a fast but broken film does not count."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "warning", "-xerror", "-err_detect", "explode"]
    done = subprocess.run([*command, "-i", film, "-f", "null", "-"], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise SystemExit(f"the film does not decode cleanly: {done.stderr[-500:]}")


def _plot(parts: dict[str, Any]) -> Path:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(parts), 1, figsize=(10, 1 + 3.2 * len(parts)), squeeze=False)
    for (name, part), axis in zip(parts.items(), axes[:, 0], strict=True):
        timed = [r for r in part["rows"] if "seconds" in r][::-1]
        ours = [any(w in r["what"] for w in ("ready", "conformed", "changed")) for r in timed]
        bars = axis.barh([r["what"] for r in timed], [r["seconds"] for r in timed],
                         color=["#2a7f62" if o else "#b0b0b0" for o in ours])  # fmt: skip
        axis.bar_label(bars, [f" {r['seconds']:.2f} s" for r in timed])
        axis.set_xscale("log")
        axis.set_title(f"{PARTS[name]} (measured: {part['clips']} at {part['height']}p)", fontsize=9, loc="right")
        axis.margins(x=0.15)
    axes[-1, 0].set_xlabel("seconds from click to film, logarithmic (green: Retake)")
    figure.tight_layout()
    path = OUT / "compile.png"
    figure.savefig(path, dpi=110)
    return path


def _known() -> dict[str, Any]:
    try:
        return dict(json.loads((OUT / "compile.json").read_text())["parts"])
    except (FileNotFoundError, ValueError, KeyError):
        return {}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.compile", description=__doc__)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one; may be given again")
    parser.add_argument("--clips", type=int, help="instead of 10 and 100")
    parser.add_argument("--height", type=int, help="in pixels, instead of 1080 and 720")
    args = parser.parse_args()
    configure_logging("compiler", level="WARNING", json=False)
    work = {"hd": (hd, 10, 1080), "moviepy": (moviepy, 10, 720), "hundred": (hundred, 100, 720)}
    for name in args.part or PARTS:
        print(f"{name}: {PARTS[name]}", flush=True)
        run, clips, height = work[name]
        rows, began = Rows(name), time.perf_counter()
        OUT.mkdir(parents=True, exist_ok=True)
        # On the disk of the results: a temporary file system would measure memory.
        with tempfile.TemporaryDirectory(prefix="compile-", dir=OUT) as folder:
            asyncio.run(run(Path(folder).resolve(), rows, args.clips or clips, args.height or height))
        took, load = round(time.perf_counter() - began), psutil.getloadavg()[0]
        part = {"rows": rows.rows, "took_s": took, "load": round(load, 1), "clips": args.clips or clips,
                "height": args.height or height}  # fmt: skip
        save("compile", {"parts": _known() | {name: part}})
    parts = {name: part for name, part in _known().items() if name in PARTS}
    for name, part in parts.items():
        shown = [[r["what"], r.get("seconds", ""), r.get("megabytes", ""), _verdict(r)] for r in part["rows"]]
        table(f"{PARTS[name]} (measured: {part['clips']} at {part['height']}p)", ["", "seconds", "MB", "ratio"], shown)
    print(f"raw numbers: {OUT / 'compile.json'}, plot: {_plot(parts)}")


def _verdict(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.2f} ({row['reach']}{'' if row['reached'] else ', MISSED'})" if "ratio" in row else ""


if __name__ == "__main__":
    main()
