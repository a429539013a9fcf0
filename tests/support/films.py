"""Makes sources for films, and inspects films strictly."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from shared.media.ffmpeg import ffmpeg_exe
from shared.media.graphs import Output, arguments

RATE = 48_000


def ffmpeg(*args: str | Path) -> str:
    """Runs ffmpeg and returns its warnings. Fails the test when ffmpeg fails."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", "-loglevel", "warning", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def render(*outputs: Output) -> str:
    """Runs ffmpeg on a graph; see `ffmpeg`."""
    return ffmpeg(*arguments(*outputs))


def video(
    path: Path,
    *,
    seconds: float = 2.0,
    size: str = "320x180",
    fps: str = "24",
    hue: int = 0,
    tone: int | None = None,
    options: tuple[str, ...] = (),
) -> Path:
    """Moving test pictures, a different clip for each hue; with a sine of `tone` hertz."""
    sound = ["-f", "lavfi", "-i", f"sine=frequency={tone}:sample_rate=44100:duration={seconds}"] if tone else []
    args = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={fps}:duration={seconds}", *sound, "-vf", f"hue=h={hue}"]
    args += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-pix_fmt", "yuv420p", "-c:a", "aac", *options]
    ffmpeg(*args, path)
    return path


def tone(path: Path, *, seconds: float, hertz: int = 440, gain: float = 0.5) -> Path:
    """A mono sine, as narration or music."""
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={gain}*sin(2*PI*{hertz}*t):s=24000:d={seconds}", path)
    return path


@dataclass(frozen=True)
class Seen:
    """A decoded film: gray pictures (n, 45, 80), sound (n, 2), and the pts of its packets in frames."""

    pictures: NDArray[np.uint8]
    sound: NDArray[np.float32]
    pts: list[int]
    keyframes: list[int]


def watch(path: Path, fps: Fraction | int) -> Seen:
    """Decodes the film with all of ffmpeg's checks; a warning fails the test."""
    said = ffmpeg("-xerror", "-err_detect", "explode", "-i", path, "-f", "null", "-")
    assert said == "", said
    with av.open(str(path)) as film:
        picture = film.streams.video[0]
        assert picture.time_base is not None
        packets = [p for p in film.demux(picture) if p.size]
        pts = [int(p.pts * p.time_base * fps) for p in packets if p.pts is not None and p.time_base is not None]
        keyframes = [i for i, p in enumerate(packets) if p.is_keyframe]
        film.seek(0)
        gray = [f.reformat(80, 45, "gray").to_ndarray() for f in film.decode(video=0)]
    with av.open(str(path)) as film:
        sound = [f.to_ndarray() for f in film.decode(audio=0)]
    heard = np.concatenate(sound, axis=1).T if sound else np.zeros((0, 2), np.float32)
    return Seen(np.stack(gray), heard.astype(np.float32), pts, keyframes)


def watch_pictures(path: Path) -> NDArray[np.uint8]:
    """Gray pictures of shape (n, 45, 80)."""
    with av.open(str(path)) as film:
        return np.stack([f.reformat(80, 45, "gray").to_ndarray() for f in film.decode(video=0)])


def loudness(path: Path) -> tuple[float, float]:
    """Integrated loudness (LUFS) and true peak (dBTP), measured by ffmpeg's ebur128."""
    command = [ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", str(path), "-vn", "-af"]
    command += ["ebur128=peak=true:framelog=quiet", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stderr
    found = re.findall(r"(?:I|Peak): +(-?[\d.]+|-inf) (?:LUFS|dBFS)", said)
    return float(found[-2]), float(found[-1])


def level(sound: NDArray[np.float32], hertz: float) -> float:
    """The amplitude of one frequency in a sound, in dBFS."""
    mono = sound.mean(axis=1)
    t = np.arange(len(mono)) / RATE
    amplitude = 2 * abs((mono * np.exp(-2j * np.pi * hertz * t)).mean())
    return 20 * float(np.log10(max(amplitude, 1e-9)))
