"""Mixes any part of a film directly from its plan: a chunk does not depend on the state of another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from services.compiler.planning.sound_plan import DUCK_ATTACK, DUCK_DB, DUCK_RELEASE, Cue, SoundPlan
from services.compiler.rendering.audio.loudness import Samples


def mix(plan: SoundPlan, stems: Mapping[str, Samples], start: int, stop: int) -> Samples:
    """Film samples [start, stop), with silence beyond the film's ends. `stems` by key. Returns shape (n, 2)."""
    mixed = np.zeros((stop - start, 2), dtype=np.float32)
    ducking: NDArray[np.float32] | None = None
    for cue in plan.cues:
        first, last = max(start, cue.at), min(stop, cue.end)
        if first >= last:
            continue
        if cue.ducked and plan.speech and ducking is None:
            ducking = _ducking(plan, start, stop)
        gain = _gain(cue, first - cue.at, last - cue.at)
        if cue.ducked and ducking is not None:
            gain = gain * ducking[first - start : last - start]
        heard = stems[cue.stem][cue.skip + first - cue.at : cue.skip + last - cue.at]
        mixed[first - start : last - start] += heard * gain[:, None]
    return mixed


def _gain(cue: Cue, first: int, last: int) -> NDArray[np.float32]:
    """Level and equal-power fades over samples [first, last) of a cue."""
    gain = np.full(last - first, 10 ** (cue.gain_db / 20), dtype=np.float32)
    if first < cue.fade_in:
        part = np.arange(first, min(last, cue.fade_in), dtype=np.float32)
        gain[: len(part)] *= np.sin((part + 0.5) * (np.pi / 2 / cue.fade_in), dtype=np.float32)
    begins = cue.length - cue.fade_out
    if last > begins:
        part = np.arange(max(first, begins), last, dtype=np.float32) - begins
        gain[len(gain) - len(part) :] *= np.cos((part + 0.5) * (np.pi / 2 / cue.fade_out), dtype=np.float32)
    return gain


def _ducking(plan: SoundPlan, start: int, stop: int) -> NDArray[np.float32]:
    """The gain factor of ducked cues: 1 without speech, DUCK_DB during speech, a raised cosine in between."""
    depth = np.zeros(stop - start, dtype=np.float32)
    for speaks, silent in plan.speech:
        first, last = max(start, speaks - DUCK_ATTACK), min(stop, silent + DUCK_RELEASE)
        if first >= last:
            continue
        at = np.arange(first, last, dtype=np.float32)
        into = np.clip((at - (speaks - DUCK_ATTACK)) / DUCK_ATTACK, 0, 1)
        out = np.clip(((silent + DUCK_RELEASE) - at) / DUCK_RELEASE, 0, 1)
        share = (1 - np.cos(np.pi * np.minimum(into, out))) / 2
        here = depth[first - start : last - start]
        np.maximum(here, share, out=here)
    return np.asarray(np.power(10, depth * np.float32(DUCK_DB / 20)), dtype=np.float32)
