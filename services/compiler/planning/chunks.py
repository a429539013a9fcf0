"""The sound track in chunks, each encoded alone and named by what is heard in it: a small edit keeps all others.

AAC packet p holds film samples [(p - 1) * 1024, p * 1024): the encoder's priming is the packet before the film.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from services.compiler.planning.keys import CHUNK_RECIPE, TRACK_RECIPE, address
from services.compiler.planning.sound_plan import DUCK_ATTACK, DUCK_RELEASE, Cue, SoundPlan
from shared.contracts.values import AudioConfig

PACKET: Final = 1024  # samples
CHUNK_PACKETS: Final = 480  # 10.24 s
PREROLL: Final = 4  # packets encoded before a chunk and discarded, so that the encoder has settled
LOOKAHEAD: Final = 2  # packets after it
REACH: Final = 24_000
"""Samples around a chunk that its limited sound may depend on; at least the limiter's own reach."""

GAIN_STEP_DB: Final = 0.5
MOST_GAIN_DB: Final = 20.0  # more would only amplify noise


@dataclass(frozen=True)
class Level:
    """What is applied to the mix: a gain, then a limiter with this true peak as its ceiling."""

    gain_db: float
    ceiling_dbtp: float


@dataclass(frozen=True)
class Chunk:
    """Packets [first, stop) of the track."""

    key: str
    first: int
    stop: int

    @property
    def preroll(self) -> int:
        return min(PREROLL, self.first)

    @property
    def start(self) -> int:
        """The film sample at which encoding starts."""
        return (self.first - self.preroll) * PACKET

    @property
    def end(self) -> int:
        """The film sample at which encoding stops; past the film's end there is silence."""
        return (self.stop + LOOKAHEAD) * PACKET


def chunks(plan: SoundPlan, level: Level) -> Iterator[Chunk]:
    """The whole track, ascending. A chunk's key depends on the sound in it and around it, and not on its position."""
    packets = -(-(plan.samples + PACKET) // PACKET)
    for first in range(0, packets, CHUNK_PACKETS):
        stop = min(first + CHUNK_PACKETS, packets)
        unnamed = Chunk("", first, stop)
        low, high = unnamed.start - REACH, unnamed.end + REACH
        key = address(
            "chunk",
            CHUNK_RECIPE,
            packets=[unnamed.preroll, stop - first],
            gain=level.gain_db,
            ceiling=level.ceiling_dbtp,
            cues=sorted(_heard(cue, low, high) for cue in plan.cues if cue.at < high and cue.end > low),
            speech=[
                [max(a - low, -DUCK_ATTACK), min(b - low, high - low + DUCK_RELEASE)]
                for a, b in plan.speech
                if a - DUCK_ATTACK < high and b + DUCK_RELEASE > low
            ],
        )
        yield replace(unnamed, key=key)


def _heard(cue: Cue, low: int, high: int) -> list[Any]:
    """The part of a cue that is heard in [low, high), relative to `low`: only that part names the chunk."""
    first, last = max(cue.at, low), min(cue.end, high)
    rising = [cue.fade_in, cue.at - low] if cue.at + cue.fade_in > low else [0, 0]
    falling = [cue.fade_out, cue.end - low] if cue.end - cue.fade_out < high else [0, 0]
    return [cue.stem, first - low, last - low, cue.skip + first - cue.at, cue.gain_db, rising, falling, cue.ducked]


def track_key(plan: SoundPlan, config: AudioConfig) -> str:
    """The key of the whole track, which is known before anything is measured."""
    return address(
        "track",
        TRACK_RECIPE,
        samples=plan.samples,
        cues=[[c.stem, c.at, c.skip, c.length, c.gain_db, c.fade_in, c.fade_out, c.ducked] for c in plan.cues],
        speech=plan.speech,
        normalised=config.volume_normalization,
        target=config.loudness_lufs,
        ceiling=config.true_peak_dbtp,
    )


def corrected(level: Level, loudness: float | None, target: float) -> Level:
    """The level corrected by the measured loudness of the encoded track; None for a silent one.

    Passages at the gate of the loudness measure may count in the mix but not in the track, or the reverse: the track
    then misses the target although the mix met it.
    """
    if loudness is None or abs(target - loudness) <= GAIN_STEP_DB / 2:
        return level
    return Level(min(MOST_GAIN_DB, level.gain_db + gain_for(loudness, target)), level.ceiling_dbtp)


def gain_for(loudness: float, target: float) -> float:
    """Decibels from a loudness to the target (both LUFS), in steps, so that a small edit elsewhere in the film does not
    change the level of every chunk."""
    return min(MOST_GAIN_DB, round((target - loudness) / GAIN_STEP_DB) * GAIN_STEP_DB)
