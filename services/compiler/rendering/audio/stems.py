"""Stems: a source's sound as 48 kHz stereo floats in a raw file, and the measurements that planning needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from services.compiler.planning.sound_plan import RATE, Stem
from services.compiler.rendering.audio.loudness import Samples, measure
from services.compiler.rendering.audio.repeat import repeats_after
from services.compiler.rendering.sources import probed
from shared.media import graphs
from shared.media.ffmpeg import run_ffmpeg

_FRAME_BYTES: Final = 8  # two 32-bit floats
_BLOCK: Final = RATE // 100
_AUDIBLE: Final = 10 ** (-55 / 20)  # RMS of a 10 ms block: below lie pauses, noise floors and codec residue
_MARGIN: Final = RATE // 50  # kept around audible sound: onsets and reverberation
_PAUSE: Final = RATE * 15 // 100  # plosives within words are shorter
_MOST_PAUSES: Final = 2000
_LONGEST_S: Final = 4 * 3600


@dataclass(frozen=True)
class Sound:
    """The measurements of a stem; see `planning.sound_plan.Stem`."""

    samples: int
    loudness: float | None
    heard: tuple[int, int]
    pauses: tuple[tuple[int, int], ...] = ()
    repeat: int | None = None

    def stem(self, key: str) -> Stem:
        return Stem(key, self.samples, self.loudness, self.heard, self.pauses, self.repeat)

    def to_json(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "loudness": self.loudness,
            "heard": list(self.heard),
            "pauses": [list(p) for p in self.pauses],
            "repeat": self.repeat,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        first, stop = stored["heard"]
        pauses = tuple((a, b) for a, b in stored.get("pauses", ()))
        return cls(stored["samples"], stored["loudness"], (first, stop), pauses, stored.get("repeat"))


async def extract_stem(source: Path, path: Path, *, timeout_s: float = 600, niceness: int = 0) -> Sound:
    """Decodes the source's first sound track from the source's first instant on. Without one, the file is empty."""
    if (await probed(source)).audio_codec is None:
        path.write_bytes(b"")
        return Sound(0, None, (0, 0))
    # A track that starts late or has gaps is padded: sample n belongs to n / 48000 s of the pictures.
    sound = graphs.media_file(source)["a:0"].filter("aresample", sample_rate=RATE, **{"async": 1}, first_pts=0)
    stem = sound.output(str(path), t=_LONGEST_S, ac=2, format="f32le", **{"c:a": "pcm_f32le"})
    await run_ffmpeg(graphs.arguments(stem), timeout_s=timeout_s, niceness=niceness)
    return await asyncio.to_thread(_measured, path)


def open_stem(path: Path) -> Samples:
    """The samples as a memory map, of shape (n, 2): only the parts that are mixed are loaded."""
    frames = path.stat().st_size // _FRAME_BYTES
    if not frames:
        return np.zeros((0, 2), dtype=np.float32)
    return np.memmap(path, dtype=np.float32, mode="r", shape=(frames, 2))


def _measured(path: Path) -> Sound:
    sound = open_stem(path)
    blocks = [
        np.sqrt(np.square(part, dtype=np.float64).mean()) > _AUDIBLE
        for at in range(0, len(sound), RATE * 10)
        for part in _blocks(sound[at : at + RATE * 10])
    ]
    audible = np.flatnonzero(blocks)
    loudness = measure(sound) if len(audible) else None
    if loudness is None:
        return Sound(len(sound), None, (0, 0))
    first = max(0, int(audible[0]) * _BLOCK - _MARGIN)
    heard = first, min(len(sound), (int(audible[-1]) + 1) * _BLOCK + _MARGIN)
    return Sound(len(sound), loudness, heard, _pauses(audible), repeats_after(sound[slice(*heard)]))


def _pauses(audible: NDArray[np.intp]) -> tuple[tuple[int, int], ...]:
    """The spans of at least `_PAUSE` without audible sound, in samples."""
    found = np.flatnonzero(np.diff(audible) > _PAUSE // _BLOCK)
    return tuple((int(audible[i] + 1) * _BLOCK, int(audible[i + 1]) * _BLOCK) for i in found[:_MOST_PAUSES])


def _blocks(sound: Samples) -> list[Samples]:
    return np.array_split(sound, range(_BLOCK, len(sound), _BLOCK))
