"""Storyboard cards: pictures of their words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.generator.providers.animatic.cards.lettering import Face, Lettering
from services.generator.providers.animatic.cards.scene import read_scene
from services.generator.providers.animatic.cards.storyboard import draw_card as draw
from services.generator.providers.animatic.engine import draw_card

BOAT = "A sailing boat drifts across a calm sea at sunset while gulls circle above it."


def card(tmp_path: Path, prompt: str, seed: int = 1, size: tuple[int, int] = (480, 270), **words: str) -> np.ndarray:
    job = {"prompt": prompt, "title": words.get("title"), "location": words.get("location"), "seed": seed}
    draw(job | {"width": size[0], "height": size[1], "out": str(tmp_path / "card.png")})
    return np.asarray(Image.open(tmp_path / "card.png"), dtype=np.float32)


@pytest.mark.parametrize(
    ("prompt", "location", "place", "time"),
    [
        (BOAT, "", "sea", "sunset"),
        ("Two people talk", "Kitchen, morning", "room", "dawn"),
        ("A small house, light in its windows", "Village, winter night", "field", "night"),
        ("An astronaut looks at the planet", "", "space", None),
        ("Девочка идёт по лесу", "Лес, утро", "forest", "dawn"),
        ("城市的夜晚，下着雨", "", "city", "night"),
        ("Ein Mann geht durch die Wüste", "", "desert", None),
    ],
)
def test_the_scene_is_read_from_the_words(prompt: str, location: str, place: str, time: str | None) -> None:
    scene = read_scene(prompt, location, 1)
    assert scene.place == place
    assert time is None or scene.time == time


def test_people_things_and_weather_are_read() -> None:
    scene = read_scene("Two friends wait in the rain beside the rocket, birds above", "", 1)
    assert (scene.people, scene.rain) == (2, True)
    assert scene.things == {"rocket", "birds"}
    assert read_scene("The theme of the chapter", "", 1).people == 0  # "he" and "man" hide in many words


async def test_a_card_is_a_picture_of_the_asked_size(tmp_path: Path) -> None:
    out = tmp_path / "card.png"
    warnings = await draw_card(BOAT, title="Scene 1", location="Harbour", seed=1, width=640, height=360, out=out)
    assert warnings == []
    image = Image.open(out)
    assert (image.size, image.mode) == ((640, 360), "RGB")
    pixels = np.asarray(image, dtype=np.float32)
    assert len(np.unique(pixels.reshape(-1, 3) // 16, axis=0)) > 60  # many colours: no plain box
    await draw_card(BOAT, seed=1, width=360, height=640, out=tmp_path / "card.jpg")
    assert Image.open(tmp_path / "card.jpg").format == "JPEG"


def test_words_change_the_picture_and_seeds_vary_it(tmp_path: Path) -> None:
    day = card(tmp_path, "mountains on a sunny day", location="Mountains, day")
    night = card(tmp_path, "mountains at night")
    assert night.mean() < 0.55 * day.mean()
    again, other = card(tmp_path, "mountains at night"), card(tmp_path, "mountains at night", seed=2)
    assert np.array_equal(night, again)
    assert np.abs(night - other).mean() > 3


@pytest.mark.parametrize("place", ["sea", "city", "forest", "desert", "space", "kitchen", "meadow", "mountains"])
@pytest.mark.parametrize("size", [(320, 180), (180, 320), (200, 200)])
def test_every_place_is_painted_in_every_shape(tmp_path: Path, place: str, size: tuple[int, int]) -> None:
    prompt = f"A man, a house, a boat, a rocket, a car, a cup and birds in the {place}, snow and rain and fog"
    pixels = card(tmp_path, prompt, size=size)
    assert pixels.shape == (size[1], size[0], 3)
    assert pixels.std() > 12


def test_the_words_stand_inside_the_safe_area(tmp_path: Path) -> None:
    plain, lettered = card(tmp_path, "", seed=3), card(tmp_path, "", seed=3, title="Scene 12")
    changed = np.abs(plain - lettered).max(axis=2) > 40
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows.size
    assert rows[0] >= 0.05 * 270
    assert rows[-1] < 0.2 * 270
    assert columns[0] >= 0.04 * 480
    text = card(tmp_path, "word " * 60, seed=3)
    bright = (text.min(axis=2) > 215) & (np.arange(270)[:, None] > 180)
    assert bright.any()
    assert not bright[:, : round(0.035 * 480)].any()
    assert not bright[:, round(0.97 * 480) :].any()
    assert not bright[round(0.97 * 270) :].any()


def test_lines_are_wrapped_and_shortened() -> None:
    lettering = Lettering()
    lines = lettering.wrap("The quick brown fox jumps over the lazy dog and runs away", 20, 200, 2)
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert all(lettering.width(line, 20) <= 200 for line in lines)
    joined = " ".join(lettering.wrap("The quick brown fox jumps over the lazy dog", 20, 200, 9))
    assert joined == "The quick brown fox jumps over the lazy dog"
    broken = lettering.wrap("Donaudampfschifffahrtsgesellschaft", 20, 100, 9)
    assert "".join(broken) == "Donaudampfschifffahrtsgesellschaft"
    assert all(lettering.width(line, 20) <= 100 for line in broken)


async def test_characters_that_no_font_has_are_named(tmp_path: Path) -> None:
    private = "\U0010fffd"
    warnings = await draw_card(f"Hello {private}", seed=1, width=160, height=90, out=tmp_path / "card.png")
    assert len(warnings) == 1
    assert private in warnings[0]
    assert "H" not in warnings[0].partition(":")[2]


def test_a_word_is_set_in_one_font_where_one_has_all_of_it() -> None:
    text = "A naïve façade, Łódź"
    lettering = Lettering(text)
    runs = lettering.runs(text)
    if not lettering.missing:  # some font of this machine has them
        assert len(runs) == 1
    assert "".join(run for run, _ in runs) == "".join(c for c in text if c not in lettering.missing)


def test_the_built_in_font_knows_what_it_has() -> None:
    face = Face(None)
    assert all(face.has(character) for character in "Aa9,:“…")
    assert not face.has("月")
    assert not face.has("\U0010fffd")


@pytest.mark.parametrize("words", ["夜の港に灯りがともる", "黎明时分的小船", "밤의 항구에 불이 켜지다"])
async def test_cards_have_letters_for_chinese_japanese_and_korean(words: str, tmp_path: Path) -> None:
    assert await draw_card(words, seed=1, width=320, height=180, out=tmp_path / "card.png") == []
