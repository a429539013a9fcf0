"""Other ways to render the same film: ffmpeg's concat, one filter graph, MoviePy. Each returns its time and memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench._films import FPS, SECONDS
from shared.media.ffmpeg import ffmpeg_exe

MOVIEPY_LIMIT_S: Final = 300
_TOOLS: Final = Path("out/bench/tools")
_MOVIEPY: Final = "moviepy>=2.2,<3"

_SCRIPT: Final = """
import sys
from moviepy import AudioFileClip, VideoFileClip, concatenate_videoclips, vfx
folder, film, count, width, height, fps = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7])
clips = [VideoFileClip(f"{folder}/{n}.mp4", audio=False).resized((width, height)) for n in range(count)]
clips = [c.with_effects([vfx.CrossFadeIn(0.5)]) if n else c for n, c in enumerate(clips)]
made = concatenate_videoclips(clips, method="compose", padding=-0.5)
music = AudioFileClip(f"{folder}/music.wav")
made = made.with_audio(music.subclipped(0, min(music.duration, made.duration)))
made.write_videofile(film, fps=fps, codec="libx264", preset="veryfast", ffmpeg_params=["-crf", "20"], logger=None)
"""


@dataclass(frozen=True)
class Taken:
    """`megabytes` is the peak resident memory of the process and of its children that were waited for."""

    seconds: float
    megabytes: float
    finished: bool = True


def concat_copy(pieces: list[Path], film: Path) -> Taken:
    listing = film.with_suffix(".txt")
    listing.write_text("".join(f"file '{p.resolve()}'\n" for p in pieces))
    return _ffmpeg("-f", "concat", "-safe", "0", "-i", listing, "-c", "copy", "-movflags", "+faststart", film)


def xfade_graph(folder: Path, clips: int, height: int, film: Path) -> Taken:
    """The whole film in one handwritten filter graph: dissolves, music, loudness."""
    inputs = [arg for n in range(clips) for arg in ("-i", folder / f"{n}.mp4")]
    fitted = f"scale={height * 16 // 9}:{height},fps={FPS},settb=1/{FPS},setsar=1,format=yuv420p"
    graph = [f"[{n}:v]{fitted}[v{n}]" for n in range(clips)]
    last = "v0"
    for n in range(1, clips):
        graph.append(f"[{last}][v{n}]xfade=transition=fade:duration=0.5:offset={n * (SECONDS - 0.5)}[x{n}]")
        last = f"x{n}"
    length = clips * SECONDS - (clips - 1) * 0.5
    graph.append(f"[{clips}:a]aloop=-1:2000000000,atrim=0:{length},loudnorm=I=-16:TP=-1,aresample=48000[a]")
    return _ffmpeg(
        *inputs, "-i", folder / "music.wav", "-filter_complex", ";".join(graph), "-map", f"[{last}]", "-map", "[a]",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-c:a", "aac", "-b:a", "192k", "-t", str(length),
        "-movflags", "+faststart", film,
    )  # fmt: skip


def moviepy(folder: Path, clips: int, height: int, film: Path) -> Taken | None:
    """The same dissolves and music; None if it cannot be installed. Stopped after `MOVIEPY_LIMIT_S`."""
    python = _TOOLS / "moviepy" / "bin" / "python"
    if not python.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", _TOOLS / "moviepy"], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", _MOVIEPY], check=True, timeout=240)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"MoviePy could not be installed: {error}")
            return None
    command = [python, "-c", _SCRIPT, folder, film, clips, height * 16 // 9, height, FPS]
    return _timed([str(part) for part in command], MOVIEPY_LIMIT_S)


def _ffmpeg(*args: str | Path) -> Taken:
    command = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-loglevel", "error", *map(str, args)]
    taken = _timed(command, 900)
    if not taken.finished:
        raise SystemExit("ffmpeg took more than 15 minutes")
    return taken


def _timed(command: list[str], limit_s: float) -> Taken:
    """Run a command in a process group of its own, so that nothing of it is left when it is stopped.

    Memory is sampled while it runs: the kernel's final figure includes our own from before the exec.
    """
    began, most, finished = time.perf_counter(), 0.0, True
    process = subprocess.Popen(command, start_new_session=True)
    while process.poll() is None:
        most = max(most, _resident(process.pid))
        if time.perf_counter() - began > limit_s and finished:
            finished = False
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.005)
    seconds = time.perf_counter() - began
    if finished and process.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed with code {process.returncode}")
    return Taken(round(seconds, 3), round(most, 1), finished)


def _resident(pid: int) -> float:
    """Megabytes of a process and its children; 0 if it has ended."""
    try:
        process = psutil.Process(pid)
        return float(sum(p.memory_info().rss for p in (process, *process.children(recursive=True))) / 1e6)
    except psutil.Error:
        return 0.0
