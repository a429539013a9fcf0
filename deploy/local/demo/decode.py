"""Strict decoding of a film, once, frame by frame, while its loudness is measured."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from shared.media.graphs import Output, Stream, arguments, media_file
from shared.media.sandbox import Option

Picture = npt.NDArray[np.uint8]
"""Height x width x RGB."""

SIZE = (480, 270)
"""Width and height of the decoded frames: sufficient for the checks, at a sixteenth of the work."""

_FILM: Final = "mov"
"""The demuxer: films are MP4."""
_STDOUT: Final = "pipe:1"
_RAW: Final[dict[str, Option]] = {"fps_mode": "passthrough", "pix_fmt": "rgb24", "format": "rawvideo"}

SILENCE_LUFS = -70.0  # the gate of EBU R128: nothing below it counts as sound


@dataclass
class Facts:
    """The container's metadata, and the results of decoding. Loudness None: silent or no sound."""

    width: int = 0
    height: int = 0
    fps: float = 0.0
    video_s: float = 0.0
    audio_s: float | None = None
    frames: int = 0
    loudness_lufs: float | None = None
    true_peak_dbtp: float | None = None
    errors: list[str] = field(default_factory=list)


def decode(path: Path, see: Callable[[int, Picture], None], size: tuple[int, int] = SIZE) -> Facts:
    """Decode the whole film; `see` gets the number and picture of each frame. Damage is reported in `errors`."""
    facts = probe(path)
    if facts.errors:
        return facts
    width, height = size
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            _decoded(path, size, sound=facts.audio_s is not None),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
        ) as process,
    ):  # fmt: skip
        assert process.stdout
        try:
            while len(raw := process.stdout.read(width * height * 3)) == width * height * 3:
                see(facts.frames, np.frombuffer(raw, np.uint8).reshape(height, width, 3))
                facts.frames += 1
        except BaseException:
            process.kill()
            raise
        code = process.wait()
        log.seek(0)
        output = log.read().decode(errors="replace")
    if code:
        last = [line for line in output.splitlines() if line.strip()][-3:]
        facts.errors.append(f"decoding failed: {' / '.join(last)}")
    facts.loudness_lufs = _last_number(r"\bI:\s+(-?[\d.]+|-inf) LUFS", output)
    facts.true_peak_dbtp = _last_number(r"\bPeak:\s+(-?[\d.]+|-inf) dBFS", output)
    if facts.loudness_lufs is not None and facts.loudness_lufs <= SILENCE_LUFS:
        facts.loudness_lufs = None
    return facts


def probe(path: Path) -> Facts:
    """What the container says."""
    try:
        with av.open(str(path)) as film:
            video = film.streams.video[0]
            sound = film.streams.audio[0] if film.streams.audio else None
            return Facts(
                width=video.width,
                height=video.height,
                fps=float(video.average_rate or 0),
                video_s=float((video.duration or 0) * (video.time_base or 0)),
                audio_s=float((sound.duration or 0) * (sound.time_base or 0)) if sound else None,
            )
    except (av.FFmpegError, IndexError, OSError) as e:
        return Facts(errors=[f"cannot be opened: {e}"])


def picture_at(path: Path, frame: int, fps: float, size: tuple[int, int] = SIZE) -> Picture | None:
    """A frame by its number, in a film of constant frame rate; None if there is no such frame."""
    width, height = size
    start = f"{max(0.0, (frame - 0.5) / fps):.6f}"  # half a frame early, so that rounding cannot skip the frame
    pictures = _scaled(media_file(path, {"format": _FILM, "ss": start}), size)
    command = _command(pictures.output(_STDOUT, **_RAW, **{"frames:v": 1}))
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    if len(result.stdout) != width * height * 3:
        return None
    return np.frombuffer(result.stdout, np.uint8).reshape(height, width, 3)


def _decoded(path: Path, size: tuple[int, int], *, sound: bool) -> list[str]:
    """Raw pictures on standard output, the loudness of the sound on standard error; the first error ends it."""
    film = media_file(path, {"format": _FILM, "err_detect": "explode"})
    outputs = [_scaled(film, size).output(_STDOUT, **_RAW)]
    if sound:
        outputs.append(film["a:0"].filter("ebur128", peak="true", framelog="quiet").output("-", format="null"))
    return _command(*outputs, global_options=("-xerror",))


def _scaled(film: Stream, size: tuple[int, int]) -> Stream:
    return film["v:0"].filter("scale", w=size[0], h=size[1], flags="area")


def _command(*outputs: Output, global_options: Sequence[str] = ()) -> list[str]:
    fixed = (*global_options, "-hide_banner", "-nostdin", "-nostats")
    return [imageio_ffmpeg.get_ffmpeg_exe(), *arguments(*outputs, global_options=fixed)]


def _last_number(pattern: str, text: str) -> float | None:
    """The last match, which is in the summary; None for -inf."""
    found = re.findall(pattern, text)
    return float(found[-1]) if found and found[-1] != "-inf" else None
