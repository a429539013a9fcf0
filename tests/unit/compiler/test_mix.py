"""The mix: music repeats seamlessly, on its beat, and is ducked under the voice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.compiler.planning.film_plan import Clip, Shot, plan_film
from services.compiler.planning.sound_plan import DUCK_ATTACK, DUCK_DB, DUCK_RELEASE, MUSIC_LUFS, RATE, Sources, Stem
from services.compiler.planning.sound_plan import plan_sound as planned
from services.compiler.rendering.audio.loudness import Samples
from services.compiler.rendering.audio.mix import mix
from services.compiler.rendering.audio.repeat import repeats_after
from shared.contracts.values import AudioConfig, NarrationMix


def heard(music: Samples, seconds: int, voice: Stem | None = None, offset: float = 0) -> Samples:
    """A film with this music at its own level, ducked under a voice that is itself silent."""
    film = plan_film([Shot("s1", "Segment 1", Clip("c1", seconds * 24, (0,)), None)], 24)
    stem = Stem("music", len(music), MUSIC_LUFS, (0, len(music)), (), repeats_after(music))
    config = AudioConfig(narration={"s1": NarrationMix(offset=offset)})
    plan = planned(film, 24, Sources({"s1": voice} if voice else {}, {}, stem), config)
    silence = np.zeros((voice.samples if voice else 0, 2), dtype=np.float32)
    return mix(plan, {"music": music, "voice": silence}, 0, plan.samples)


def levels(sound: Samples, seconds: float = 0.1) -> NDArray[np.float64]:
    """The level of each span, in dBFS."""
    n = round(seconds * RATE)
    whole = sound[: len(sound) // n * n, 0].astype(np.float64).reshape(-1, n)
    return np.asarray(10 * np.log10(np.square(whole).mean(axis=1) + 1e-12))


def noise(seconds: float) -> Samples:
    rng = np.random.default_rng(4)
    return (rng.standard_normal((round(seconds * RATE), 2)) * 0.1).astype(np.float32)


def drum(seconds: float, beat: float, tail: float) -> Samples:
    """Four beats to the bar, the first one louder, over slight noise, fading before the end."""
    sound = noise(seconds) * np.float32(0.02)
    hit = np.sin(np.arange(RATE // 8) * (2 * np.pi * 200 / RATE)) * np.exp(-np.arange(RATE // 8) / 900)
    for n in range(int((seconds - tail) / beat)):
        at = round(n * beat * RATE)
        sound[at : at + len(hit)] += (hit * (0.8 if n % 4 == 0 else 0.5))[:, None].astype(np.float32)
    return sound


def test_repeated_music_neither_dips_nor_clicks() -> None:
    """The repetition begins at 5 s: an equal-power fade of two uncorrelated sounds keeps their power."""
    sound = heard(noise(7), 11)
    assert levels(sound[RATE // 2 : 8 * RATE]) == pytest.approx(-20, abs=0.6)
    slope = 2 * np.pi * 150.5 / RATE * 0.1  # of a tone whose two copies meet at any phase: a click would be steeper
    hum = np.repeat(0.1 * np.sin(np.arange(7 * RATE) * (2 * np.pi * 150.5 / RATE))[:, None], 2, 1).astype(np.float32)
    assert np.abs(np.diff(heard(hum, 11)[:, 0])).max() < 1.5 * slope


@pytest.mark.parametrize("beat", [60 / 97, 0.5])
def test_repeated_music_keeps_its_beat(beat: float) -> None:
    music = drum(11.3, beat, 1.5)
    repeat = repeats_after(music)
    assert repeat is not None
    assert repeat / RATE / beat == pytest.approx(round(repeat / RATE / beat), abs=0.02)
    sound = np.abs(heard(music, 16)[:, 0])
    hits = np.flatnonzero((sound[1:] > 0.1) & (sound[:-1] <= 0.1)) / RATE
    begins = hits[np.diff(hits, prepend=-1) > beat / 2]
    assert np.abs(begins / beat - np.round(begins / beat)).max() < 0.05
    assert len(begins) > 11 / beat


def test_what_has_no_beat_is_left_to_a_plain_crossfade() -> None:
    assert repeats_after(noise(8)) is None
    assert repeats_after(drum(4, 0.5, 0)) is None  # too short to be compared with itself


def test_music_sinks_before_the_first_word_and_rises_after_the_last() -> None:
    tone = np.repeat(0.1 * np.sin(np.arange(12 * RATE) * (2 * np.pi * 1000 / RATE))[:, None], 2, 1).astype(np.float32)
    voice = Stem("voice", 3 * RATE, -18.0, (0, 3 * RATE))
    level = levels(heard(tone, 12, voice, offset=2), 0.05)
    free, under = level[20], level[60]
    assert under - free == pytest.approx(DUCK_DB, abs=0.1)
    sinking = np.flatnonzero(level[20:] < free - 0.2)[0] / 20 + 1
    assert 2 - DUCK_ATTACK / RATE <= sinking < 2
    assert level[40] < free + 0.9 * DUCK_DB  # all the way down when the first word comes
    assert level[100] == pytest.approx(under, abs=0.3)  # still down at the last
    assert level[round((5 + DUCK_RELEASE / RATE) * 20) + 1] == pytest.approx(free, abs=0.1)
