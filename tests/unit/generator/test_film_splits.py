"""Where films are cut: every frame once, whatever the detector says; copies only where packets allow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.generator.domain.film_splits import FrameTimeline, SceneChange, copy_points, plan_split

LENGTHS = st.lists(st.floats(0.005, 0.2), min_size=1, max_size=200)


def track(lengths: list[float], **points: frozenset[int]) -> FrameTimeline:
    times = [0.0]
    for length in lengths:
        times.append(times[-1] + length)
    return FrameTimeline(times[:-1], times[-1], **points)


def steady(frames: int, fps: float = 24.0, **points: frozenset[int]) -> FrameTimeline:
    return FrameTimeline([n / fps for n in range(frames)], frames / fps, **points)


@given(
    LENGTHS, st.lists(st.tuples(st.floats(-1, 50), st.floats(0, 1)), max_size=60), st.integers(1, 12), st.floats(0, 1)
)
def test_spans_hold_every_frame_once_and_keep_the_limits(lengths, changes, max_spans, min_span_s) -> None:  # type: ignore[no-untyped-def]
    film = track(lengths)
    plan = plan_split(film, [SceneChange(*change) for change in changes], max_spans=max_spans, min_span_s=min_span_s)
    held = [frame for span in plan.spans for frame in range(span.first, span.last)]
    assert held == list(range(len(film.times)))
    assert [span.number for span in plan.spans] == list(range(1, len(plan.spans) + 1))
    assert len(plan.spans) <= max_spans
    if len(plan.spans) > 1:
        assert min(span.duration_s for span in plan.spans) >= min_span_s - 1e-9
    assert abs(sum(span.duration_s for span in plan.spans) - film.end_s) < 1e-6


def test_a_film_without_cuts_is_one_segment() -> None:
    (span,) = plan_split(steady(240), []).spans
    assert (span.first, span.last, span.duration_s) == (0, 240, 10.0)


def test_the_strongest_of_two_close_changes_wins() -> None:
    plan = plan_split(steady(240), [SceneChange(5.0, 0.2), SceneChange(5.2, 0.6)])
    assert [span.first for span in plan.spans] == [0, 125]


def test_what_is_too_many_is_counted() -> None:
    plan = plan_split(steady(240), [SceneChange(n, 0.1 * n) for n in range(1, 10)], max_spans=3)
    assert [span.first for span in plan.spans] == [0, 8 * 24, 9 * 24]
    assert plan.left_out == 7


def test_a_change_is_placed_at_the_frame_nearest_to_it() -> None:
    assert [span.first for span in plan_split(steady(240), [SceneChange(5.0 + 0.015, 1)]).spans] == [0, 120]


def test_only_spans_between_closed_groups_are_copied() -> None:
    film = steady(240, starts=frozenset({0, 120}), ends=frozenset({120}))
    plan = plan_split(film, [SceneChange(5.0, 1.0), SceneChange(7.0, 1.0)])
    assert [span.copied for span in plan.spans] == [True, False, False]
    assert [span.copied for span in plan_split(film, [SceneChange(5.0, 1.0)]).spans] == [True, True]


def test_a_closed_group_is_found_behind_b_frames() -> None:
    #   I P B B | I P B B, in the order of decoding
    decoded = [(0, True), (3, False), (1, False), (2, False), (4, True), (7, False), (5, False), (6, False)]
    assert copy_points(decoded) == ({0, 4}, {0, 1, 4, 5})  # it may break off behind each I, too


def test_an_open_group_is_no_place_to_begin() -> None:
    #   I P B | I, and then two B frames that are shown before it
    decoded = [(0, True), (2, False), (1, False), (5, True), (3, False), (4, False), (6, False)]
    starts, ends = copy_points(decoded)
    assert starts == {0}
    assert 3 in ends
    assert 5 not in starts


@given(st.permutations(list(range(8))))
def test_what_is_copied_never_needs_packets_from_elsewhere(shown) -> None:  # type: ignore[no-untyped-def]
    starts, ends = copy_points([(frame, True) for frame in shown])
    for place in ends:
        assert set(shown[:place]) == set(range(place))
    for place in starts:
        assert set(shown[:place]) == set(range(place))
        assert shown[place] == place
