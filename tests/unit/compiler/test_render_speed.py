"""Progress never falls, and estimates learn from measurements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.compiler.planning.render_speed import SECONDS_PER_UNIT, ProgressMeter, RenderSpeed, picture_units
from shared.contracts.values import Output

steps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 10), st.floats(0, 1)), max_size=30)


@given(st.floats(0.1, 100), steps, st.floats(0, 100))
def test_percent_never_falls_and_never_is_done_before_the_end(
    expected: float, advances: list[tuple[str, float, float]], more: float
) -> None:
    meter = ProgressMeter(expected)
    shown = [meter.percent]
    for key, seconds, share in advances:
        meter.advance(key, seconds, share)
        shown.append(meter.percent)
    meter.expect(more)
    shown.append(meter.percent)
    assert shown == sorted(shown)
    assert 0 <= shown[0] <= shown[-1] <= 99


def test_half_of_the_work_is_half_of_the_way() -> None:
    meter = ProgressMeter(10)
    meter.advance("a", 4, 1)
    meter.advance("b", 2, 0.5)
    assert meter.percent == 50


def test_a_pace_is_learnt_in_a_few_films() -> None:
    speed = RenderSpeed({"clip": 1.0})
    for _ in range(8):
        speed.learn("clip", 10, 20)
    assert speed.seconds("clip", 1) == pytest.approx(2, rel=0.1)
    assert speed.seconds("window", 1) == SECONDS_PER_UNIT["window"]
    assert speed.learn("clip", 0, 5) == speed.seconds("clip", 1)  # nothing was made: nothing is learnt


@pytest.mark.parametrize(
    ("taught", "asked"), [((320, 180, 12), (1920, 1080, 120)), ((1920, 1080, 120), (320, 180, 12))]
)
def test_what_pieces_of_one_size_teach_holds_for_others(
    taught: tuple[int, int, int], asked: tuple[int, int, int]
) -> None:
    """As measured: a quarter of a second to start, then 15 ms per megapixel frame."""

    def took(width: int, height: int, frames: int) -> float:
        return 0.25 + 0.015 * width * height * frames / 1e6

    def work(width: int, height: int, frames: int) -> float:
        return picture_units(Output(width=width, height=height), frames)

    speed = RenderSpeed()
    for _ in range(8):
        speed.learn("window", work(*taught), took(*taught))
    assert speed.seconds("window", work(*asked)) == pytest.approx(took(*asked), rel=0.5)
