"""The chunks of the sound track tile it, and their keys change exactly when the sound in them does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compiler.planning.chunks import CHUNK_PACKETS, PACKET, PREROLL, REACH, Level, chunks, corrected, gain_for
from services.compiler.planning.sound_plan import Cue, SoundPlan
from services.compiler.rendering.audio import limiter

LEVEL = Level(0.0, -1.0)
CHUNK = CHUNK_PACKETS * PACKET


def cue(at: int, length: int, stem: str = "a", fade: int = 0) -> Cue:
    return Cue(stem, at, 0, length, 0.0, fade, fade, ducked=True)


def plan(samples: int, *cues: Cue, speech: tuple[tuple[int, int], ...] = ()) -> SoundPlan:
    return SoundPlan(samples, cues, speech, (), ())


def names(made: SoundPlan, level: Level = LEVEL) -> list[str]:
    return [c.key for c in chunks(made, level)]


@given(st.integers(1, 5 * CHUNK))
def test_chunks_tile_the_track_and_cover_the_film(samples: int) -> None:
    made = list(chunks(plan(samples), LEVEL))
    assert made[0].first == 0
    assert all(a.stop == b.first for a, b in itertools.pairwise(made))
    assert (made[-1].stop - 1) * PACKET >= samples > (made[-1].stop - 2) * PACKET
    assert all(c.preroll in (0, PREROLL) and c.start >= 0 for c in made)


def test_the_limiter_never_looks_further_than_a_name_does() -> None:
    assert limiter.REACH <= REACH


def test_an_edit_renames_only_the_chunks_that_hear_it() -> None:
    before = plan(5 * CHUNK, cue(0, 5 * CHUNK), cue(CHUNK * 5 // 2, 1000, "voice"))
    after = plan(5 * CHUNK, cue(0, 5 * CHUNK), cue(CHUNK * 5 // 2, 2000, "voice"))
    assert [a == b for a, b in zip(names(before), names(after), strict=True)] == [True, True, False, True, True, True]


def test_a_longer_film_keeps_the_chunks_before_its_new_end() -> None:
    short = plan(3 * CHUNK, cue(0, 3 * CHUNK, fade=9000))
    long = plan(4 * CHUNK, cue(0, 4 * CHUNK, fade=9000))
    kept = [a == b for a, b in zip(names(short), names(long), strict=False)]
    assert kept == [True, True, False, False]


def test_a_moved_voice_in_the_lookahead_is_heard_by_both_chunks() -> None:
    before, after = plan(2 * CHUNK, cue(CHUNK - 900, 500)), plan(2 * CHUNK, cue(CHUNK - 901, 500))
    assert [a == b for a, b in zip(names(before), names(after), strict=True)] == [False, False, True]


def test_fades_gain_ducking_and_level_are_heard() -> None:
    base = plan(1000, cue(0, 900, fade=10))
    others = [
        plan(1000, cue(0, 900, fade=11)),
        plan(1000, replace(base.cues[0], gain_db=1.0)),
        plan(1000, replace(base.cues[0], ducked=False)),
        plan(1000, replace(base.cues[0], skip=1)),
        plan(1000, base.cues[0], speech=((0, 500),)),
    ]
    assert len({*names(base), *(n for o in others for n in names(o)), *names(base, Level(0.5, -1.0))}) == 7


def test_silence_is_one_chunk_however_long() -> None:
    assert len(set(names(plan(4 * CHUNK)))) == 3  # the first has no pre-roll, the last is shorter


def test_gain_moves_in_steps() -> None:
    assert gain_for(-20.1, -16) == 4.0
    assert gain_for(-20.3, -16) == 4.5
    assert gain_for(-60, -16) == 20
    assert gain_for(-10, -16) == -6


@pytest.mark.parametrize(
    ("loudness", "gain"),
    [(-16.0, 6.0), (-16.2, 6.0), (-16.4, 6.5), (-17.6, 7.5), (-14.4, 4.5), (-60.0, 20.0), (None, 6.0)],
)
def test_a_track_that_measures_otherwise_than_its_mix_is_corrected(loudness: float | None, gain: float) -> None:
    assert corrected(Level(6.0, -1.0), loudness, -16.0) == Level(gain, -1.0)
