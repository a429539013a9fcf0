"""The sound plan of any film."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compiler.planning.film_plan import Clip, FilmPlan, Shot, plan_film
from services.compiler.planning.sound_plan import (
    DUCK_HOLD,
    GAP,
    LOWERED_DB,
    MUSIC_LUFS,
    NARRATION_LUFS,
    RATE,
    Cue,
    SoundPlan,
    Sources,
    Stem,
    plan_sound,
    sample_of,
)
from shared.contracts.values import AudioConfig, NarrationMix, Transition, TransitionStyle

FPS = 24


def film(*frames: int, dissolve: float = 0) -> FilmPlan:
    transition = Transition(style=TransitionStyle.DISSOLVE, duration_s=dissolve) if dissolve else None
    shots = [Shot(f"s{i}", f"Segment {i}", Clip(f"c{i}", n, (0,)), transition) for i, n in enumerate(frames, 1)]
    return plan_film(shots, FPS)


def stem(key: str, seconds: float, loudness: float | None = -20.0, quiet: float = 0) -> Stem:
    """A stem with `quiet` seconds of silence at both ends."""
    n = round(seconds * RATE)
    edge = round(quiet * RATE)
    return Stem(key, n, loudness, (edge, max(edge, n - edge)))


def voices(plan: SoundPlan) -> list[Cue]:
    return [c for c in plan.cues if c.stem.startswith("voice")]


def sound(plan: FilmPlan, sources: Sources, **config: object) -> SoundPlan:
    return plan_sound(plan, FPS, sources, AudioConfig(**config))  # type: ignore[arg-type]


@st.composite
def scenes(draw: st.DrawFn) -> tuple[FilmPlan, Sources, AudioConfig]:
    frames = draw(st.lists(st.integers(2, 240), min_size=1, max_size=6))
    plan = film(*frames, dissolve=draw(st.sampled_from([0.0, 0.5, 1.0])))
    lengths = st.floats(0.01, 15)
    ids = [s.segment_id for s in plan.shots]
    narration = {i: stem(f"voice-{i}", draw(lengths)) for i in ids if draw(st.booleans())}
    own = {i: stem(f"own-{i}", draw(lengths), draw(st.floats(-60, -5))) for i in ids if draw(st.booleans())}
    music = stem("music", draw(st.floats(0.5, 40))) if draw(st.booleans()) else None
    mixes = {i: NarrationMix(offset=draw(st.floats(-3, 5))) for i in ids if draw(st.booleans())}
    kept = draw(st.sampled_from(["keep", "lower", "mute"]))
    return plan, Sources(narration, own, music), AudioConfig(narration=mixes, segment_sound=kept)


@given(scenes())
def test_nothing_is_heard_outside_its_stem_or_the_film(scene: tuple[FilmPlan, Sources, AudioConfig]) -> None:
    plan, sources, config = scene
    planned = plan_sound(plan, FPS, sources, config)
    lengths = {s.key: s.samples for s in (*sources.narration.values(), *sources.own.values())}
    if sources.music:
        lengths[sources.music.key] = sources.music.samples
    assert planned.samples == sample_of(plan.frames, FPS)
    for cue in planned.cues:
        assert cue.at >= 0
        assert cue.end <= planned.samples
        assert cue.skip >= 0
        assert cue.skip + cue.length <= lengths[cue.stem]
        assert cue.fade_in >= 0
        assert cue.fade_out >= 0
        assert cue.fade_in + cue.fade_out <= cue.length


@given(scenes())
def test_two_narrations_never_overlap_and_none_comes_early(scene: tuple[FilmPlan, Sources, AudioConfig]) -> None:
    plan, sources, config = scene
    planned = plan_sound(plan, FPS, sources, config)
    spans = sorted((c.at, c.end) for c in voices(planned))
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    starts = {s.segment_id: sample_of(f, FPS) for s, f in zip(plan.shots, plan.starts, strict=True)}
    for spoken in planned.spoken:
        offset = config.narration.get(spoken.segment_id, NarrationMix()).offset
        assert spoken.at >= max(0, starts[spoken.segment_id] + round(offset * RATE))


@given(scenes())
def test_a_narration_that_is_moved_cut_or_lost_is_reported(scene: tuple[FilmPlan, Sources, AudioConfig]) -> None:
    plan, sources, config = scene
    planned = plan_sound(plan, FPS, sources, config)
    spoken = {s.segment_id: s for s in planned.spoken}
    starts = {s.segment_id: sample_of(f, FPS) for s, f in zip(plan.shots, plan.starts, strict=True)}
    for segment_id, voice in sources.narration.items():
        name = f"Segment {segment_id[1:]} "
        heard = spoken.get(segment_id)
        offset = config.narration.get(segment_id, NarrationMix()).offset
        as_asked = (
            heard is not None
            and heard.at == starts[segment_id] + round(offset * RATE)
            and heard.length == voice.samples
        )
        warned = any(f"The narration of {name}" in f"{w} " and not _is_elsewhere(w) for w in planned.warnings)
        assert warned is not as_asked


def _is_elsewhere(warning: str) -> bool:
    """A remark that a narration is heard over other segments, which does not move it."""
    return "continues" in warning or "is heard" in warning


@given(scenes())
def test_music_gives_way_exactly_to_the_narrations(scene: tuple[FilmPlan, Sources, AudioConfig]) -> None:
    planned = plan_sound(scene[0], FPS, scene[1], scene[2])
    for voice in voices(planned):
        assert any(a <= voice.at and voice.end <= b for a, b in planned.speech)
    assert all(b[0] - a[1] > DUCK_HOLD for a, b in pairwise(planned.speech))
    assert all(cue.ducked for cue in planned.cues if cue.stem == "music")


def test_narration_begins_with_its_segment_and_its_first_word() -> None:
    planned = sound(film(120, 120, dissolve=0.5), Sources({"s2": stem("voice", 3, -23, quiet=0.5)}))
    (cue,) = planned.cues
    assert cue.at == 108 * 2000
    assert (cue.skip, cue.length) == (RATE // 2, 2 * RATE)
    assert cue.gain_db == NARRATION_LUFS - -23


def test_the_later_narration_waits_for_the_earlier_one() -> None:
    planned = sound(film(48, 48, 240), Sources({"s1": stem("voice-1", 3), "s2": stem("voice-2", 1)}))
    assert [c.at for c in planned.cues] == [0, 3 * RATE + GAP]
    assert planned.warnings == (
        "The narration of Segment 2 starts 1.2 s late, after the narration before it.",
        "The narration of Segment 1 continues 1.0 s into Segment 2.",
    )


def test_a_narration_far_from_its_segment_is_reported_with_its_place() -> None:
    """The first one covers the second segment; the second one waits until the third, and continues into the fourth."""
    voices = {"s1": stem("voice-1", 5), "s2": stem("voice-2", 3), "s4": stem("voice-4", 1)}
    mix = {"s4": NarrationMix(offset=2), "s1": NarrationMix(offset=-1)}
    planned = sound(film(48, 48, 72, 240), Sources(voices), narration=mix)
    assert planned.warnings == (
        "The narration of Segment 1 begins with the film, not 1.0 s before it.",
        "The narration of Segment 2 starts 3.2 s late, after the narration before it.",
        "The narration of Segment 1 continues over Segment 2 and into Segment 3.",
        "The narration of Segment 2 is heard from Segment 3 to Segment 4.",
    )


def test_what_passes_the_end_fades_out() -> None:
    planned = sound(film(48), Sources({"s1": stem("voice", 5)}))
    (cue,) = planned.cues
    assert cue.end == planned.samples == 2 * RATE
    assert cue.fade_out == RATE
    assert planned.warnings == ("The narration of Segment 1 fades out at the film's end, 3.0 s before its own end.",)


def test_gain_and_offset_of_one_narration() -> None:
    mix = {"s1": NarrationMix(gain_db=3, offset=1.5)}
    (cue,) = sound(film(240), Sources({"s1": stem("voice", 2, NARRATION_LUFS)}), narration=mix).cues
    assert (cue.at, cue.gain_db) == (RATE * 3 // 2, 3)


def test_long_music_is_trimmed_with_a_fade() -> None:
    (cue,) = sound(film(240), Sources(music=stem("music", 60, -14))).cues
    assert (cue.at, cue.length, cue.fade_out) == (0, 10 * RATE, 3 * RATE)
    assert cue.gain_db == MUSIC_LUFS - -14


def test_short_music_is_repeated_with_crossfades_to_the_end() -> None:
    planned = sound(film(24 * 25), Sources(music=stem("music", 10)))
    spans = [(c.at / RATE, c.end / RATE) for c in planned.cues]
    assert spans == [(0, 10), (8, 18), (16, 25)]
    for left, right in pairwise(planned.cues):
        assert left.fade_out == right.fade_in == left.end - right.at
    assert planned.cues[-1].fade_out == 3 * RATE


def test_music_with_a_beat_is_repeated_on_it() -> None:
    music = replace(stem("music", 10), repeat=7 * RATE)
    planned = sound(film(24 * 20), Sources(music=music))
    assert [(c.at / RATE, c.end / RATE) for c in planned.cues] == [(0, 9), (7, 16), (14, 20)]
    assert [c.fade_out for c in planned.cues[:2]] == [c.fade_in for c in planned.cues[1:]] == [2 * RATE] * 2


@pytest.mark.parametrize("film_s", [10.25, 10.5, 11, 11.75, 12, 12.25])
@pytest.mark.parametrize("beat", [None, 8])
def test_music_that_ends_shortly_before_the_film_is_repeated_and_fades_out_with_it(film_s: float, beat: int) -> None:
    """The last repetition is long enough to come in and to go out."""
    music = replace(stem("music", 10), repeat=beat and beat * RATE)
    planned = sound(film(round(24 * film_s)), Sources(music=music))
    left, right = planned.cues
    assert right.end == planned.samples
    assert right.length >= 5 * RATE
    assert right.fade_out == 3 * RATE
    assert left.fade_out == right.fade_in == left.end - right.at == 2 * RATE
    assert beat is None or right.at * 2 % (beat * RATE) == 0
    assert planned.warnings == (f"The music is repeated: it lasts 10.0 s, the film {film_s:.1f} s.",)


@given(st.floats(1, 40), st.floats(1, 60), st.one_of(st.none(), st.floats(0.6, 0.95)))
def test_music_is_heard_until_the_film_ends_and_fades_there(music_s: float, film_s: float, beat: float | None) -> None:
    music = stem("music", music_s)
    if beat is not None:
        music = replace(music, repeat=round(music.samples * beat))
    planned = sound(film(max(1, round(24 * film_s))), Sources(music=music))
    last = planned.cues[-1]
    assert planned.samples - last.end <= RATE // 10
    assert last.fade_out >= min(RATE, last.length // 2)
    for before, after in pairwise(planned.cues):
        assert after.at < before.end
        assert before.fade_out == before.end - after.at


def test_music_that_ends_with_the_film_keeps_its_own_ending() -> None:
    planned = sound(film(24 * 10 + 2), Sources(music=stem("music", 10)))
    (cue,) = planned.cues
    assert (cue.length, cue.fade_out) == (10 * RATE, RATE)
    assert planned.warnings == ()


def test_music_that_passes_the_films_end_or_is_too_short_to_repeat_is_reported() -> None:
    assert sound(film(240), Sources(music=stem("music", 12.5))).warnings == (
        "The music fades out at the film's end, 2.5 s before its own end.",
    )
    assert sound(film(240), Sources(music=stem("music", 0.5))).warnings == (
        "The music is heard for 0.5 s only: music shorter than 1 s is not repeated.",
    )


def test_music_can_be_left_out() -> None:
    assert sound(film(24), Sources(music=stem("music", 10)), background_music=False).cues == ()


def test_own_sound_is_lowered_kept_or_muted() -> None:
    sources = Sources(own={"s1": stem("own", 5, -26)})
    (lowered,) = sound(film(120), sources).cues
    (kept,) = sound(film(120), sources, segment_sound="keep").cues
    assert kept.gain_db == 6
    assert not kept.ducked
    assert lowered.gain_db == 6 + LOWERED_DB
    assert lowered.ducked
    assert sound(film(120), sources, segment_sound="mute").cues == ()


def test_a_rooms_tone_is_not_pulled_up_to_speech() -> None:
    (cue,) = sound(film(120), Sources(own={"s1": stem("own", 5, -60)}), segment_sound="keep").cues
    assert cue.gain_db == 6


def test_own_sounds_crossfade_with_their_pictures() -> None:
    sources = Sources(own={"s1": stem("a", 5), "s2": stem("b", 5)})
    left, right = sound(film(120, 120, dissolve=0.5), sources).cues
    assert left.end - right.at == left.fade_out == right.fade_in == RATE // 2


def test_silent_stems_are_not_cued_and_told_of() -> None:
    """A silent video is normal; a silent narration or silent music is worth a warning."""
    silent = stem("x", 5, None)
    planned = sound(film(120), Sources({"s1": silent}, {"s1": silent}, silent))
    assert planned.cues == planned.speech == ()
    assert planned.warnings == (
        "The narration of Segment 1 is not heard: nothing in it is louder than -55 dBFS.",
        "The music is not heard: nothing in it is louder than -55 dBFS.",
    )
    assert sound(film(120), Sources(music=silent), background_music=False).warnings == ()


def test_the_music_comes_back_in_a_long_pause_of_a_narration() -> None:
    pauses = ((RATE, RATE * 3 // 2), (3 * RATE, 6 * RATE))  # of the stem, whose first half second is silent
    voice = Stem("voice", 8 * RATE, -20.0, (RATE // 2, 8 * RATE), pauses)
    planned = sound(film(240, 24), Sources({"s1": voice}))
    assert planned.speech == ((0, RATE * 5 // 2), (RATE * 11 // 2, RATE * 15 // 2))


def test_short_pauses_do_not_bring_the_music_back() -> None:
    sources = Sources({"s1": stem("voice-1", 4.5), "s2": stem("voice-2", 1), "s3": stem("voice-3", 1)})
    planned = sound(film(120, 240, 120), sources)
    assert planned.speech == ((0, 6 * RATE), (15 * RATE, 16 * RATE))
