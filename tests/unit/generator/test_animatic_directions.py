"""Words of movie directions -> camera moves."""

from __future__ import annotations

import time

import pytest
from PIL import Image

from services.generator.providers.animatic.directions import Move, read_directions
from services.generator.providers.animatic.grade import Grade, apply_grade, read_grade
from services.generator.providers.animatic.vocabulary import Verb

LEFT, RIGHT = Move(pan=-1), Move(pan=1)
UP, DOWN = Move(tilt=-1), Move(tilt=1)
IN, OUT, STILL = Move(zoom=1), Move(zoom=-1), Move()


@pytest.mark.parametrize(
    ("text", "moves"),
    [
        ("pan left", [LEFT]),
        ("Pan RIGHT across the valley", [RIGHT]),
        ("slow left pan", [LEFT]),
        ("pan from left to right", [RIGHT]),
        ("from the right", [LEFT]),
        ("a slow tilt from the bottom to the top", [UP]),
        ("tilt down", [DOWN]),
        ("crane up over the roofs", [UP]),
        ("push in", [IN]),
        ("push-in on her face", [IN]),
        ("zoom in slowly on the cup", [IN]),
        ("the camera moves closer", [IN]),
        ("dolly in", [IN]),
        ("zoom out", [OUT]),
        ("pull back to reveal the city", [OUT]),
        ("static shot", [STILL]),
        ("hold", [STILL]),
        ("don't move the camera", [STILL]),
        ("pan left and push in", [Move(pan=-1, zoom=1)]),
        ("pan left, then push in", [LEFT, IN]),
        ("Tilt up. Then hold on the sky.", [UP, STILL]),
        ("drift right", [Move(pan=1, strength=0.6)]),
        ("zoom in on the upper left corner", [Move(zoom=1, focus=(0.26, 0.28))]),
        ("not a pan, push in", [IN]),
        ("pull back instead of zooming in", [OUT]),
        ("", []),
        ("make it warmer and more golden", []),
        # What people and things do is not what the camera does, once the camera has its own instruction.
        ("She holds a cup of coffee. Slow push in.", [IN]),
        ("The man looks to the right; the camera pans left", [LEFT]),
        ("A rocket rises into the night sky, the camera pulls back", [Move(zoom=-1, tilt=0)]),
        # Other languages.
        ("Schwenk nach links", [LEFT]),
        ("langsam heranzoomen", [IN]),
        ("panorámica a la derecha", [RIGHT]),
        ("zoom avant", [IN]),
        ("медленная панорама влево", [LEFT]),
        ("камера приближается", [IN]),
        ("镜头向右平移", [RIGHT]),
        ("缓慢拉远", [OUT]),
    ],
)
def test_moves_are_read_from_words(text: str, moves: list[Move]) -> None:
    assert list(read_directions(text).moves) == moves


def test_a_move_without_a_way_leaves_the_way_open() -> None:
    (move,) = read_directions("a slow drift").moves
    assert move.free is Verb.DRIFT
    (move,) = read_directions("pan").moves
    assert move.free is Verb.PAN


@pytest.mark.parametrize(
    ("first", "appended", "moves"),
    [
        ("pan left", "pan right", [RIGHT]),
        ("slow push in", "pull back instead", [OUT]),
        ("pan left", "the other way", [RIGHT]),
        ("push in", "no zoom, tilt up", [UP]),
        ("push in and pan left", "no zoom", [LEFT]),
        ("push in", "more light on the table please", [IN]),
        ("кадр: наезд", "наоборот", [OUT]),
        ("push in\npan left", "tilt down", [DOWN]),
    ],
)
def test_the_last_line_wins(first: str, appended: str, moves: list[Move]) -> None:
    assert list(read_directions(f"{first}\n{appended}").moves) == moves


@pytest.mark.parametrize("slow", ["slowly pan left", "pan left gently", "lento, pan left", "缓慢 pan left"])
@pytest.mark.parametrize("fast", ["quickly pan left", "fast pan left", "schnell, pan left"])
def test_adverbs_set_the_pace(slow: str, fast: str) -> None:
    assert read_directions(slow).speed < read_directions("pan left").speed < read_directions(fast).speed


@pytest.mark.parametrize(
    "change", ["slower", "too fast", "not so fast, please", "slow it down", "more slowly", "langsamer", "慢一点"]
)
def test_a_change_of_pace_keeps_the_move(change: str) -> None:
    before = read_directions("pan left")
    after = read_directions(f"pan left\n{change}")
    assert after.moves == before.moves
    assert after.speed < 0.8 * before.speed


@pytest.mark.parametrize("text", ["pan left and not slowly " * 4000, "zoom " + "slowly " * 20_000, "pan left\n" * 5000])
def test_a_text_without_end_is_read_in_reasonable_time(text: str) -> None:
    began = time.process_time()
    read_directions(text + "\npush in")
    assert time.process_time() - began < 3
    assert list(read_directions(text + "\npush in").moves) == [IN]


def test_faster_is_faster_and_has_an_end() -> None:
    speeds = [read_directions("pan left" + "\nfaster" * count).speed for count in range(8)]
    assert speeds[1] > speeds[0]
    assert speeds == sorted(speeds)
    assert speeds[-1] <= 2.5


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("slow push in\nmake it warmer", Grade(warmth=0.5)),
        ("pan left\ntoo dark", Grade(light=0.5)),
        ("darker", Grade(light=-0.5)),
        ("darker\nbrighter", Grade(light=0.5)),
        ("darker\neven darker", Grade(light=-0.75)),
        ("black and white", Grade(colour=-1)),
        ("heller und wärmer", Grade(light=0.5, warmth=0.5)),
        ("темнее", Grade(light=-0.5)),
        ("更暗一点", Grade(light=-0.5)),
        # What is in the picture is not how to grade it.
        ("a warm cup of coffee in a dark room, bright window", Grade()),
    ],
)
def test_looks_are_read_from_what_is_asked_for(text: str, look: Grade) -> None:
    assert read_grade(text) == look


def test_a_look_is_seen() -> None:
    photo = Image.new("RGB", (8, 8), (120, 100, 90))

    def pixel(text: str) -> tuple[int, ...]:
        seen = apply_grade(photo, read_grade(text)).getpixel((4, 4))
        assert isinstance(seen, tuple)
        return seen

    assert pixel("pan left") == (120, 100, 90)
    assert pixel("warmer")[0] > 122
    assert pixel("warmer")[2] < 88
    assert sum(pixel("darker")) < 280 < 340 < sum(pixel("brighter"))
    assert len(set(pixel("black and white"))) == 1
