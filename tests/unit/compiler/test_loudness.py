"""Loudness, true peak and limiting, compared with the values that the standards give for known signals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.compiler.planning.sound_plan import RATE
from services.compiler.rendering.audio import limiter
from services.compiler.rendering.audio.limiter import limit
from services.compiler.rendering.audio.loudness import MEMORY, Energies, Samples, decibels, measure, peaks, weigh


def sine(hertz: float, dbfs: float, seconds: float, *, phase: float = 0.0) -> Samples:
    t = np.arange(round(seconds * RATE)) / RATE
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * t + phase)
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


def rough(seconds: float, seed: int = 0) -> Samples:
    """Noise in bursts of very different loudness, well over full scale."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    bursts = np.repeat(rng.choice([0.02, 0.3, 1.0, 4.0], n // 4800 + 1), 4800)[:n]
    return (rng.standard_normal((n, 2)) * bursts[:, None] * 0.5).astype(np.float32)


@pytest.mark.parametrize(("dbfs", "lufs"), [(-23, -23.0), (-33, -33.0), (-14, -14.0)])
def test_a_1khz_tone_is_as_loud_as_ebu_tech_3341_says(dbfs: float, lufs: float) -> None:
    """Test cases 1 and 2: a stereo 1 kHz sine at x dBFS peak measures x LUFS within 0.1 LU."""
    loudness = measure(sine(1000, dbfs, 20))
    assert loudness == pytest.approx(lufs, abs=0.1)


def test_quiet_passages_are_gated() -> None:
    """EBU Tech 3341, test case 3: 10 s at -36, 60 s at -23, 10 s at -36 dBFS measure -23 LUFS."""
    sound = np.concatenate([sine(1000, -36, 10), sine(1000, -23, 60), sine(1000, -36, 10)])
    assert measure(sound) == pytest.approx(-23.0, abs=0.1)


def test_silence_has_no_loudness() -> None:
    assert measure(np.zeros((RATE, 2), dtype=np.float32)) is None
    assert measure(np.zeros((0, 2), dtype=np.float32)) is None


@given(st.lists(st.integers(1, 3 * RATE - 1), max_size=4, unique=True))
@settings(max_examples=20, deadline=None)
def test_measured_in_pieces_is_measured_whole(cuts: list[int]) -> None:
    sound = rough(3)
    energies = Energies()
    edges = [0, *sorted(cuts), len(sound)]
    for start, stop in itertools.pairwise(edges):
        before = min(start, MEMORY)
        energies.add(weigh(sound[start - before : stop], before), start)
    assert energies.integrated(len(sound)) == pytest.approx(measure(sound), abs=0.01)


def test_the_peak_between_samples_is_found() -> None:
    """A quarter-rate sine at 45 degrees: every sample is 3 dB below the wave's top (EBU Tech 3341, case 15 and on)."""
    wave = sine(RATE / 4, -6, 0.5, phase=np.pi / 4)[100:-100]
    assert decibels(float(np.abs(wave).max())) == pytest.approx(-9.0, abs=0.1)
    assert decibels(float(peaks(wave)[50:-50].max())) == pytest.approx(-6.0, abs=0.2)


@pytest.mark.parametrize("ceiling", [-1.0, -3.0])
def test_the_limiter_holds_the_ceiling_also_between_samples(ceiling: float) -> None:
    sound = rough(4)
    assert decibels(float(peaks(sound).max())) > 12
    assert decibels(float(peaks(limit(sound, ceiling)).max())) <= ceiling + 0.05
    between = sine(RATE / 4, 2, 1, phase=np.pi / 4)
    assert decibels(float(np.abs(between).max())) == pytest.approx(-1.0, abs=0.1)  # its samples alone would pass
    limited = limit(between, -1.0)
    assert decibels(float(peaks(limited).max())) <= -0.95
    assert decibels(float(np.abs(limited).max())) == pytest.approx(-4.0, abs=0.2)


def test_what_is_below_the_ceiling_is_left_alone() -> None:
    calm = sine(440, -3, 1)
    assert np.array_equal(limit(calm, -1.0), calm)


def test_the_limiter_recovers_and_does_not_touch_what_came_long_before() -> None:
    sound = sine(440, -12, 2)
    sound[RATE : RATE + 100] *= 20
    limited = limit(sound, -1.0)
    ratio = np.abs(limited[:, 0]) / np.maximum(np.abs(sound[:, 0]), 1e-6)
    loud = np.abs(sound[:, 0]) > 0.05
    assert ratio[: RATE - limiter.ATTACK - 1][loud[: RATE - limiter.ATTACK - 1]].min() > 0.999
    assert ratio[RATE + RATE // 2 :][loud[RATE + RATE // 2 :]].min() > 0.999


def test_limited_in_chunks_is_limited_whole() -> None:
    sound = rough(4, seed=3)
    whole = limit(sound, -1.0)
    start, stop, reach = RATE, 3 * RATE, limiter.REACH
    chunk = limit(sound[start - reach : stop + reach], -1.0)[reach:-reach]
    assert np.abs(chunk - whole[start:stop]).max() < 1e-6
