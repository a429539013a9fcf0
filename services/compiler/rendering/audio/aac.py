"""AAC chunks: mixed, brought to their level, limited, encoded, and decoded again to measure what is heard."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from services.compiler.planning.chunks import PACKET, Chunk, Level
from services.compiler.planning.sound_plan import RATE, SoundPlan
from services.compiler.rendering.audio import limiter
from services.compiler.rendering.audio.loudness import MEMORY, Energies, Samples, decibels, peaks, weigh
from services.compiler.rendering.audio.mix import mix
from services.compiler.rendering.mp4.samples import strip_adts
from shared.core.errors import Permanent
from shared.media import graphs
from shared.media.ffmpeg import run_ffmpeg
from shared.media.sandbox import Option, open_media

BIT_RATE: Final = 192_000
_OVERSHOOT_DB: Final = (
    0.1  # kept below the ceiling for what the encoder adds; most chunks then fit at the first attempt
)
_TRIES: Final = 4


@dataclass(frozen=True)
class Encoded:
    """Sizes in bytes of the packets in the chunk's file, and measurements of the decoded chunk."""

    sizes: tuple[int, ...]
    true_peak_dbtp: float
    energies: Energies

    def to_json(self) -> dict[str, Any]:
        hops = sorted(self.energies.hops.items())
        return {"sizes": list(self.sizes), "true_peak_dbtp": self.true_peak_dbtp, "energies": hops}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        return cls(tuple(stored["sizes"]), stored["true_peak_dbtp"], Energies(dict(stored["energies"])))


def render(plan: SoundPlan, stems: Mapping[str, Samples], level: Level, start: int, stop: int) -> Samples:
    """Film samples [start, stop) as they are encoded, of shape (n, 2). Blocks."""
    reach = limiter.REACH
    sound = mix(plan, stems, start - reach, stop + reach) * np.float32(10 ** (level.gain_db / 20))
    return limiter.limit(sound, level.ceiling_dbtp)[reach:-reach]


async def encode_chunk(
    plan: SoundPlan,
    stems: Mapping[str, Samples],
    level: Level,
    chunk: Chunk,
    path: Path,
    *,
    timeout_s: float = 120,
    niceness: int = 0,
) -> Encoded:
    """Writes the chunk's bare packets to `path`. If the decoded peak exceeds the ceiling, it limits harder and retries.

    Raises Permanent `sound_irregular`, and what `run_ffmpeg` raises.
    """
    ceiling = level.ceiling_dbtp - _OVERSHOOT_DB
    for _ in range(_TRIES - 1):
        encoded = await _encode(plan, stems, Level(level.gain_db, ceiling), chunk, path, timeout_s, niceness)
        over = encoded.true_peak_dbtp - level.ceiling_dbtp
        if over <= 0:
            return encoded
        ceiling -= over + _OVERSHOOT_DB / 2
    return await _encode(plan, stems, Level(level.gain_db, ceiling), chunk, path, timeout_s, niceness)


async def _encode(
    plan: SoundPlan,
    stems: Mapping[str, Samples],
    level: Level,
    chunk: Chunk,
    path: Path,
    timeout_s: float,
    niceness: int,
) -> Encoded:
    raw, adts = path.with_suffix(".f32"), path.with_suffix(".adts")
    sound = await asyncio.to_thread(render, plan, stems, level, chunk.start, chunk.end)
    await asyncio.to_thread(sound.tofile, raw)
    encoding: dict[str, Option] = {"c:a": "aac", "b:a": BIT_RATE, "fflags": "+bitexact", "format": "adts"}
    packets = graphs.media_file(raw, {"format": "f32le", "ar": RATE, "ac": 2}).output(str(adts), **encoding)
    await run_ffmpeg(graphs.arguments(packets), timeout_s=timeout_s, niceness=niceness)
    encoded = await asyncio.to_thread(_cut_out, adts, chunk, path, plan.samples)
    raw.unlink()
    adts.unlink()
    return encoded


def _cut_out(adts: Path, chunk: Chunk, path: Path, samples: int) -> Encoded:
    """Cuts out the chunk's own packets and measures them."""
    data, sizes = strip_adts(adts.read_bytes())
    own = slice(chunk.preroll, chunk.preroll + chunk.stop - chunk.first)
    if len(sizes) < own.stop:
        raise Permanent("sound_irregular", f"{len(sizes)} packets were encoded instead of {own.stop}")
    begin = sum(sizes[: own.start])
    path.write_bytes(data[begin : begin + sum(sizes[own])])
    decoded = _decode(adts)[: own.stop * PACKET]
    heard = decoded[own.start * PACKET :]
    energies = Energies()
    at = (chunk.first - 1) * PACKET  # the film sample with which the first own packet begins
    context = min(MEMORY, own.start * PACKET)
    weighted = weigh(decoded[own.start * PACKET - context :], context)
    skip = max(0, -at)
    energies.add(weighted[skip : max(skip, samples - at)], at + skip)
    return Encoded(sizes[own], decibels(float(peaks(heard).max(initial=0))), energies)


def _decode(adts: Path) -> Samples:
    """Samples of shape (n, 2), from the first one of packet 0."""
    with open_media(adts, "aac") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.ascontiguousarray(np.concatenate(frames, axis=1).T, dtype=np.float32)
