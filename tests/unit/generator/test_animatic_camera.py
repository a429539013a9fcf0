"""Paths of the camera over a canvas."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generator.providers.animatic.camera import Window, camera_path
from services.generator.providers.animatic.directions import Directions, Move, read_directions


def path(words: str, seed: int = 1, extent: tuple[float, float] = (1.0, 1.0), frames: int = 48) -> list[Window]:
    return camera_path(read_directions(words), seed=seed, duration_s=2.0, frames=frames, extent=extent)


moves = st.builds(
    Move,
    pan=st.sampled_from([-1, 0, 1]),
    tilt=st.sampled_from([-1, 0, 1]),
    zoom=st.sampled_from([-1, 0, 1]),
    strength=st.sampled_from([0.6, 1.0]),
)


@given(
    st.lists(moves, max_size=3),
    st.floats(0.2, 2.5),
    st.booleans(),
    st.integers(0, 2**31),
    st.floats(0.5, 30),
    st.sampled_from([(1.0, 1.0), (1.0, 3.2), (2.4, 1.0)]),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_every_window_lies_on_the_canvas(
    said: list[Move],
    speed: float,
    handheld: bool,
    seed: int,
    duration_s: float,
    extent: tuple[float, float],
    focus: tuple[float, float],
) -> None:
    directions = Directions(tuple(said), speed, handheld)
    windows = camera_path(directions, seed=seed, duration_s=duration_s, frames=30, extent=extent, focus=focus)
    assert len(windows) == 30
    for window in windows:
        assert 0.2 < window.size <= 1 + 1e-9
        assert window.size / 2 <= window.x + 1e-9
        assert window.x <= extent[0] - window.size / 2 + 1e-9
        assert window.size / 2 <= window.y + 1e-9
        assert window.y <= extent[1] - window.size / 2 + 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_no_seed_turns_a_way_that_was_said(seed: int) -> None:
    left, right = path("pan left", seed), path("pan right", seed)
    assert left[-1].x - left[0].x < -0.05
    assert right[-1].x - right[0].x > 0.05
    up, down = path("tilt up", seed), path("tilt down", seed)
    assert up[-1].y < up[0].y
    assert down[-1].y > down[0].y
    assert path("push in", seed)[-1].size < path("push in", seed)[0].size * 0.95
    assert path("pull back", seed)[-1].size > path("pull back", seed)[0].size * 1.05


def test_the_seed_varies_the_path_and_repeats_it() -> None:
    assert path("pan left", 1) == path("pan left", 1)
    assert path("pan left", 1) != path("pan left", 2)


def test_speed_eases_in_and_out_and_never_jumps() -> None:
    windows = path("pan right", frames=120)
    steps = [b.x - a.x for a, b in pairwise(windows)]
    assert all(step > 0 for step in steps)
    top = steps.index(max(steps))
    assert 50 <= top <= 70
    assert steps[:top] == sorted(steps[:top])
    assert steps[top:] == sorted(steps[top:], reverse=True)
    assert steps[0] < 0.1 * max(steps)


def test_faster_goes_further() -> None:
    distances = [
        abs(p[-1].x - p[0].x) / p[0].size for p in (path("slowly pan left"), path("pan left"), path("quickly pan left"))
    ]
    assert distances[0] < 0.8 * distances[1] < 0.8 * distances[2]


def test_a_long_picture_is_travelled_without_cropping_it_further() -> None:
    windows = camera_path(read_directions("tilt down"), seed=1, duration_s=5, frames=60, extent=(1.0, 3.0))
    assert windows[0].size > 0.97
    assert windows[-1].y - windows[0].y > 0.35


def test_a_push_aims_where_it_is_told() -> None:
    left = path("zoom in on the left side")
    right = path("zoom in on the right side")
    assert left[-1].x < 0.5 < right[-1].x


def test_phases_follow_each_other() -> None:
    windows = path("pan left, then push in", frames=100)
    assert windows[45].x < windows[0].x - 0.03
    assert abs(windows[48].size - windows[0].size) < 0.05 * windows[0].size
    assert windows[-1].size < 0.96 * windows[50].size
