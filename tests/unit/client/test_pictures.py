"""Photographs are checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from client.script.pictures import PictureError, check, expand


def picture(path: Path, size: tuple[int, int] = (60, 40)) -> Path:
    Image.effect_noise(size, 90).convert("RGB").save(path)
    return path


def test_good_ones(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"a.{suffix}") for suffix in ("jpg", "png", "webp")]
    assert [(p.content_type, p.width, p.height) for p in check(paths)] == [
        ("image/jpeg", 60, 40), ("image/png", 60, 40), ("image/webp", 60, 40),
    ]  # fmt: skip


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    disguised = picture(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert check([disguised])[0].content_type == "image/png"


def test_all_bad_ones_are_named(tmp_path: Path) -> None:
    whole = picture(tmp_path / "whole.jpg", (400, 300))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-20_000])
    text = tmp_path / "text.png"
    text.write_text("hello")
    empty = tmp_path / "empty.png"
    empty.touch()
    gif = picture(tmp_path / "moving.gif")
    huge = tmp_path / "huge.png"
    Image.new("1", (10_000, 10_000)).save(huge)
    heavy = tmp_path / "heavy.jpg"
    with heavy.open("wb") as file:
        file.truncate(26 * 1024 * 1024)
    with pytest.raises(PictureError) as e:
        check([whole, tmp_path / "none.jpg", cut, text, empty, gif, huge, heavy])
    messages = [p.removeprefix(f"{tmp_path}/") for p in e.value.problems]
    assert [t.partition(" (")[0] for t in messages] == [
        "none.jpg: no such file.",
        "cut.jpg: damaged or unreadable",
        "text.png: not a readable picture",
        "empty.png: not a readable picture",
        "moving.gif: GIF is not supported; convert it to JPEG, PNG or WebP.",
        "huge.png: 10000 x 10000 is more than 50 megapixels.",
        "heavy.jpg: larger than 25 MiB.",
    ]


def test_a_folder_is_its_pictures_in_counting_order(tmp_path: Path) -> None:
    for name in ("img10.png", "img2.PNG", "b.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    single = tmp_path / "notes.txt"
    assert [p.name for p in expand([single, tmp_path])] == ["notes.txt", "b.jpg", "img2.PNG", "img10.png"]


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no JPEG, PNG or WebP"):
        expand([tmp_path])
