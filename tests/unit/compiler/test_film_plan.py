"""The film plan, for any clips, keyframes and transitions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compiler.planning.film_plan import Body, Boundary, Clip, FilmPlan, Shot, Window, plan_film
from services.compiler.planning.keys import address, clip_key, window_key
from shared.contracts.values import Output, Transition, TransitionStyle

FPS = 24


def shot(number: int, frames: int, transition: Transition | None = None, keyframes: tuple[int, ...] = (0,)) -> Shot:
    return Shot(f"seg-{number}", f"Segment {number}", Clip(f"clip-{number}", frames, keyframes), transition)


def dissolve(seconds: float) -> Transition:
    return Transition(style=TransitionStyle.DISSOLVE, duration_s=seconds)


@st.composite
def shots(draw: st.DrawFn) -> list[Shot]:
    made = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        frames = draw(st.integers(1, 150))
        keys = draw(st.sets(st.integers(0, frames - 1), max_size=6)) | {0}
        transition = draw(
            st.none() | st.builds(Transition, style=st.sampled_from(TransitionStyle), duration_s=st.floats(0, 5))
        )
        made.append(shot(number, frames, transition, tuple(sorted(keys))))
    return made


@given(shots())
def test_frames_of_the_parts_make_the_film(given_shots: list[Shot]) -> None:
    plan = plan_film(given_shots, FPS)
    overlapped = sum(b.frames for b in plan.boundaries)
    assert plan.frames == sum(s.clip.frames for s in given_shots) - overlapped
    assert plan.frames == sum(part.frames for part in plan.parts)
    assert all(part.frames > 0 for part in plan.parts)


@given(shots())
def test_every_frame_of_every_clip_is_shown_once_and_in_order(given_shots: list[Shot]) -> None:
    plan = plan_film(given_shots, FPS)
    shown: dict[int, list[int]] = {i: [] for i in range(len(given_shots))}
    for part in plan.parts:
        match part:
            case Body(index, start, stop):
                shown[index] += range(start, stop)
            case Window(left, _, overlap, head):
                length = given_shots[left].clip.frames
                shown[left] += range(length - overlap, length)
                shown[left + 1] += range(head)
    for index, frames in shown.items():
        assert frames == list(range(given_shots[index].clip.frames))


@given(shots())
def test_segments_begin_where_the_plan_says(given_shots: list[Shot]) -> None:
    plan = plan_film(given_shots, FPS)
    at = 0
    first_seen: dict[int, int] = {}
    for part in plan.parts:
        index = part.shot if isinstance(part, Body) else part.left + 1
        first_seen.setdefault(index, at)
        at += part.frames
    assert [first_seen[i] for i in range(len(given_shots))] == list(plan.starts)
    assert all(a <= b for a, b in pairwise(plan.starts))


@given(shots())
def test_copying_begins_at_keyframes_and_windows_blend_at_most_half_a_clip(given_shots: list[Shot]) -> None:
    plan = plan_film(given_shots, FPS)
    for part in plan.parts:
        match part:
            case Body(index, start, _):
                assert start in given_shots[index].clip.keyframes
            case Window(left, style, overlap, head):
                halves = (given_shots[left].clip.frames // 2, given_shots[left + 1].clip.frames // 2)
                assert 2 <= overlap <= min(halves)
                assert head >= overlap
                assert style is not TransitionStyle.CUT


@given(shots())
def test_a_warning_for_each_transition_that_is_not_as_asked(given_shots: list[Shot]) -> None:
    plan = plan_film(given_shots, FPS)
    changed = 0
    for left, boundary in zip(given_shots, plan.boundaries, strict=False):
        wanted = left.transition_after
        if wanted and wanted.style is not TransitionStyle.CUT and wanted.duration_s:
            changed += boundary.frames != max(2, round(wanted.duration_s * FPS))
    assert len(plan.warnings) == changed


def test_a_half_second_dissolve_renders_only_its_own_frames() -> None:
    keys = (0, 6, 12, 24, 72, 96, 108, 114)
    plan = plan_film([shot(1, 120, dissolve(0.5), keys), shot(2, 120, None, keys)], FPS)
    assert plan.parts == (Body(0, 0, 108), Window(0, TransitionStyle.DISSOLVE, 12, 12), Body(1, 12, 120))
    assert plan.frames == 228
    assert plan.starts == (0, 108)
    assert plan.warnings == ()


def test_a_window_goes_on_to_the_next_keyframe() -> None:
    plan = plan_film([shot(1, 120, dissolve(0.3)), shot(2, 120, None, (0, 12))], FPS)
    assert plan.parts[1:] == (Window(0, TransitionStyle.DISSOLVE, 7, 12), Body(1, 12, 120))


def test_a_window_stops_where_the_next_one_begins() -> None:
    plan = plan_film([shot(1, 48, dissolve(0.5)), shot(2, 30, dissolve(0.5)), shot(3, 48)], FPS)
    assert [p.frames for p in plan.parts] == [36, 18, 48]


def test_a_transition_is_shortened_to_half_of_a_clip_and_says_so() -> None:
    plan = plan_film([shot(1, 120, dissolve(2)), shot(2, 24)], FPS)
    assert plan.boundaries == (Boundary(TransitionStyle.DISSOLVE, 12),)
    assert plan.warnings == (
        "The dissolve between Segment 1 and Segment 2 lasts 0.50 s instead of 2.00 s: half of the shorter clip.",
    )


def test_a_clip_too_short_for_any_transition_is_cut() -> None:
    plan = plan_film([shot(1, 120, dissolve(1)), shot(2, 3)], FPS)
    assert plan.boundaries[0].frames == 0
    assert "is a cut" in plan.warnings[0]


def test_the_last_shot_leads_nowhere() -> None:
    assert plan_film([shot(1, 24, dissolve(1))], FPS).parts == (Body(0, 0, 24),)


def test_a_film_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one shot"):
        plan_film([], FPS)


def keys_of(plan: FilmPlan) -> list[str]:
    return [window_key(plan.shots[w.left], plan.shots[w.left + 1], w) for w in plan.windows]


def test_windows_are_named_by_what_they_show() -> None:
    a, b = shot(1, 48, dissolve(0.5)), shot(2, 48, dissolve(0.5), (0, 6, 12))
    again = keys_of(plan_film([a, b, shot(3, 48)], FPS))
    assert keys_of(plan_film([a, b], FPS)) == again[:1]
    assert again[0] != again[1]
    longer = shot(1, 48, dissolve(0.25))
    assert keys_of(plan_film([longer, b], FPS)) != again[:1]


def test_clips_are_named_by_source_output_and_encoder() -> None:
    hd, sd = Output(), Output(width=640, height=360)
    names = {clip_key("a", hd, "x"), clip_key("a", sd, "x"), clip_key("b", hd, "x"), clip_key("a", hd, "y")}
    assert len(names) == 4
    assert clip_key("a", Output(width=1920), "x") in names


def test_a_number_is_one_number_however_it_is_written() -> None:
    assert address("chunk", 1, gain=-16) == address("chunk", 1, gain=-16.0) == address("chunk", 1, gain=-16.0000000001)
    assert address("chunk", 1, cues=[[1.0, (2, None)]]) == address("chunk", 1, cues=[[1, [2, None]]])
    assert address("chunk", 1, on=True) != address("chunk", 1, on=1)
