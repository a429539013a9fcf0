"""Finds the film's gain from the whole mix before anything is encoded, and measures the encoded result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.compiler.planning.chunks import GAIN_STEP_DB, MOST_GAIN_DB, Level, gain_for
from services.compiler.planning.sound_plan import RATE, SoundPlan
from services.compiler.rendering.audio.aac import Encoded, render
from services.compiler.rendering.audio.loudness import MEMORY, Energies, Samples, weigh
from services.compiler.rendering.audio.mix import mix
from shared.contracts.messages import message
from shared.contracts.values import AudioConfig

_STEP: Final = 10 * RATE  # bounds memory for films of any length
_ROUNDS: Final = 3
_MOST_MAKE_UP_DB: Final = 3.0  # compensates for the limiter; with more, the limiter becomes audible


@dataclass(frozen=True)
class Measured:
    """Integrated loudness in LUFS and true peak in dBTP; None for a silent track."""

    loudness: float | None
    true_peak_dbtp: float | None


def find_level(plan: SoundPlan, stems: Mapping[str, Samples], config: AudioConfig) -> tuple[Level, tuple[str, ...]]:
    """The gain that brings the limited mix to the target loudness, and warnings. Blocks."""
    level = Level(0.0, config.true_peak_dbtp)
    loudness, highest = _survey(plan, stems)
    if loudness is None or not config.volume_normalization:
        return level, ()
    gain = gain_for(loudness, config.loudness_lufs)
    if gain == MOST_GAIN_DB:
        missed = config.loudness_lufs - (loudness + gain)
        warning = message("warning.sound_too_quiet", target=f"{config.loudness_lufs:g}", gain=f"{gain:g}")
        return Level(gain, level.ceiling_dbtp), (warning,) if missed > GAIN_STEP_DB else ()
    most = min(MOST_GAIN_DB, gain + _MOST_MAKE_UP_DB)
    for _ in range(_ROUNDS):
        level = Level(gain, config.true_peak_dbtp)
        if 20 * np.log10(max(highest, 1e-9)) + gain < config.true_peak_dbtp - 3:
            break  # no peak reaches the limiter, even between samples: the computed loudness is exact
        limited = _loudness(plan, stems, level)
        correction = gain_for(limited, config.loudness_lufs) if limited is not None else 0
        if not correction:
            break
        gain = min(most, gain + correction)
    return Level(gain, config.true_peak_dbtp), ()


def measured(chunks: Iterable[Encoded], samples: int) -> Measured:
    """The measurements of a whole track of `samples` samples, from those of its decoded chunks."""
    energies, peak = Energies(), -200.0
    for chunk in chunks:
        energies.merge([chunk.energies])
        peak = max(peak, chunk.true_peak_dbtp)
    loudness = energies.integrated(samples)
    return Measured(None, None) if loudness is None else Measured(round(loudness, 2), round(peak, 2))


def _survey(plan: SoundPlan, stems: Mapping[str, Samples]) -> tuple[float | None, float]:
    """Loudness in LUFS and highest absolute sample of the raw mix."""
    energies, highest = Energies(), 0.0
    for at in range(0, plan.samples, _STEP):
        before = min(at, MEMORY)
        sound = mix(plan, stems, at - before, min(at + _STEP, plan.samples))
        highest = max(highest, float(np.abs(sound).max(initial=0)))
        energies.add(weigh(sound, before), at)
    return energies.integrated(plan.samples), highest


def _loudness(plan: SoundPlan, stems: Mapping[str, Samples], level: Level) -> float | None:
    energies = Energies()
    for at in range(0, plan.samples, _STEP):
        before = min(at, MEMORY)
        energies.add(weigh(render(plan, stems, level, at - before, min(at + _STEP, plan.samples)), before), at)
    return energies.integrated(plan.samples)
