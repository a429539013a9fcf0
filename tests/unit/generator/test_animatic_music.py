"""Music that follows its prompt, keeps its length and comes to an end."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.generator.providers.animatic.audiofile import loudness_lufs
from services.generator.providers.animatic.engine import compose
from services.generator.providers.animatic.music.composition import compose_score
from services.generator.providers.animatic.music.moods import MODES, STYLES, read_prompt
from services.generator.providers.animatic.music.score import perform
from shared.core.errors import Permanent
from shared.media.probe import probe
from tests.support.sounds import read_sound


@pytest.mark.parametrize(
    ("prompt", "mood"),
    [
        ("calm and peaceful", "calm"),
        ("a joyful summer day", "joyful"),
        ("tense suspense", "tense"),
        ("epic orchestral launch", "epic"),
        ("sad", "sad"),
        ("mysterious cave", "mysterious"),
        ("rocket", "neutral"),
        ("", "neutral"),
        ("traurige Musik", "sad"),
        ("música alegre", "joyful"),
        ("musique mystérieuse", "mysterious"),
        ("напряжённая погоня", "tense"),
        ("欢快的音乐", "joyful"),
    ],
)
def test_the_mood_is_read_from_the_prompt(prompt: str, mood: str) -> None:
    assert read_prompt(prompt).mood == mood


def test_what_is_said_outright_is_obeyed() -> None:
    style = read_prompt("joyful guitar in D minor, 90 bpm, without drums")
    assert (style.mode, style.tonic, style.bpm, style.lead, style.kit) == ("minor", 2, 90, "guitar", "")
    assert read_prompt("slow epic").bpm < read_prompt("epic").bpm < read_prompt("fast epic").bpm
    assert read_prompt("romantic waltz").beats == 3
    assert read_prompt("calm, with drums").kit


def test_moods_differ_in_tempo_mode_and_beat() -> None:
    sad, joyful, tense, epic = (read_prompt(each) for each in ("sad", "joyful", "tense", "epic"))
    assert sad.bpm < 0.6 * joyful.bpm
    assert {sad.mode, joyful.mode, tense.mode} == {"minor", "major", "phrygian"}
    assert not sad.kit
    assert epic.kit
    assert len({(s.lead, s.pad, s.figure, s.kit) for s in STYLES.values()}) == len(STYLES)


@given(st.sampled_from(sorted(STYLES)), st.floats(2, 120), st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_every_piece_is_in_its_key_and_ends_at_home(mood: str, duration_s: float, seed: int) -> None:
    score = compose_score(STYLES[mood], duration_s, seed)
    scale = {(score.tonic + step) % 12 for step in MODES[score.style.mode]}
    leading = (score.tonic + 11) % 12  # the raised seventh of a dominant in minor
    allowed = scale | ({leading} if score.style.mode == "minor" else set())
    notes = [note for part in score.parts.values() for note in part]
    assert {note.pitch % 12 for note in notes} <= allowed
    assert all(21 <= note.pitch <= 108 and note.length > 0 and 0 < note.force <= 1.2 for note in notes)
    last = [note for note in notes if note.at >= score.beats]
    home = {(score.tonic + MODES[score.style.mode][step]) % 12 for step in (0, 2, 4, 6)}
    assert last
    assert {note.pitch % 12 for note in last} <= home
    lowest = min(last, key=lambda note: note.pitch)
    assert lowest.pitch % 12 == score.tonic or not score.style.bass
    # The last chord begins within the piece, late, and there is time for it to ring.
    begins = score.seconds(score.beats)
    assert 0.65 * duration_s <= begins <= duration_s - 0.25 * min(2.0, duration_s / 4)
    clock = [score.seconds(beat / 2) for beat in range(int(score.beats * 2) + 1)]
    assert all(later > earlier for earlier, later in pairwise(clock))


@pytest.mark.parametrize("mood", ["calm", "joyful", "epic"])
async def test_a_file_has_its_length_level_and_end(tmp_path: Path, mood: str) -> None:
    out, duration_s = tmp_path / "music.flac", 9.37
    composed = await compose(mood, duration_s=duration_s, seed=4, out=out)
    assert (composed.mood, composed.mode) == (mood, STYLES[mood].mode)
    assert composed.bpm == pytest.approx(STYLES[mood].bpm, rel=0.35)
    found = probe(out)
    assert (found.audio_codec, found.sample_rate, found.channels) == ("flac", 48_000, 2)
    audio = read_sound(out)
    assert len(audio) == round(duration_s * 48_000)
    assert loudness_lufs(audio) == pytest.approx(-16, abs=1)
    assert np.abs(audio).max() < 0.93
    second = [float(np.sqrt((audio[at : at + 48_000] ** 2).mean())) for at in range(0, len(audio) - 48_000, 48_000)]
    assert min(second[:6]) > 0.02  # it plays from the start
    end = audio[-9600:]
    assert np.sqrt((end**2).mean()) < 0.35 * max(second)
    assert np.abs(audio[-48:]).max() < 0.002  # no cut-off
    left, right = audio[:, 0], audio[:, 1]
    assert 0.1 < np.corrcoef(left, right)[0, 1] < 0.999  # stereo, and not two different pieces
    assert np.abs(np.diff(audio, axis=0)).max() < 0.6  # no clicks


async def test_the_seed_repeats_a_piece_and_another_writes_another(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        await compose("calm", duration_s=4, seed=seed, out=tmp_path / f"{name}.wav")
    one, same, other = ((tmp_path / f"{name}.wav").read_bytes() for name in "abc")
    assert one == same
    assert one != other


def test_a_beat_is_heard_at_the_tempo_that_was_composed() -> None:
    """Onsets of the energetic style repeat with the beat; calm music has no such pulse."""
    style = read_prompt("energetic, 120 bpm")
    score = compose_score(style, 16.0, 3)
    audio = perform(score, 16.0, 3).mean(axis=1)
    hop = 480
    energy = np.array([np.sqrt((audio[i : i + hop] ** 2).mean()) for i in range(0, len(audio) - hop, hop)])
    onsets = np.clip(np.diff(energy), 0, None)
    onsets -= onsets.mean()
    like = np.correlate(onsets, onsets, "full")[len(onsets) - 1 :]
    beat = 60 / score.bpm * 100  # in hops of 10 ms
    on_beat = max(like[round(beat) - 2 : round(beat) + 3])
    off_beat = like[round(beat * 0.73) - 2 : round(beat * 0.73) + 3].max()
    assert on_beat > 0.25 * like[0]
    assert on_beat > 2 * off_beat


@pytest.mark.parametrize("duration_s", [0.3, 4000])
async def test_lengths_out_of_reach_are_refused(tmp_path: Path, duration_s: float) -> None:
    with pytest.raises(Permanent) as failure:
        await compose("calm", duration_s=duration_s, seed=1, out=tmp_path / "music.wav")
    assert failure.value.code == "duration_unsupported"
    assert failure.value.recovery
