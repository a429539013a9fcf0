"""Photographs are checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from client.file_types import PICTURES
from client.script.pictures import PictureError, check, expand
from tests.support.heic import heic


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
    huge = tmp_path / "huge.png"
    Image.new("1", (15_000, 15_000)).save(huge)
    icon = picture(tmp_path / "icon.ico")
    heavy = tmp_path / "heavy.jpg"
    with heavy.open("wb") as file:
        file.truncate(81 * 1024 * 1024)
    script = tmp_path / "script.yaml"
    script.write_text("title: A")
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom")
    with pytest.raises(PictureError) as e:
        check([whole, tmp_path / "none.jpg", cut, text, empty, icon, huge, heavy, script, film])
    messages = [p.removeprefix(f"{tmp_path}/") for p in e.value.problems]
    assert [t.partition(" (")[0] for t in messages] == [
        "none.jpg: no such file.",
        "cut.jpg: damaged or unreadable",
        "text.png: not a readable picture",
        "empty.png: not a readable picture",
        "icon.ico: not a readable picture",
        "huge.png: 15000 x 15000 is more than 210 megapixels.",
        "heavy.jpg: larger than 80 MiB.",
        "script.yaml: not a readable picture",
        "film.mp4: not a readable picture",
    ]
    assert messages[-2].endswith("a script is given by --script.")
    assert messages[-1].endswith("a film is split into segments by: retake episode import.")


def test_a_folder_is_its_pictures_in_counting_order(tmp_path: Path) -> None:
    for name in ("img10.png", "img2.PNG", "b.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    single = tmp_path / "notes.txt"
    files, left_out = expand([single, tmp_path])
    assert [p.name for p in files] == ["notes.txt", "b.jpg", "img2.PNG", "img10.png"]
    assert left_out == [f"{tmp_path / 'notes.txt'} is no picture ({PICTURES}), and was left out."]


def test_a_folder_of_mixed_pictures_is_all_of_them(tmp_path: Path) -> None:
    """By content: a telephone's, a browser's and an editor's, one of them without a suffix."""
    for name in ("1.jpg", "2.avif", "3.tiff", "4.gif", "5.bmp", "6.webp"):
        picture(tmp_path / name)
    (tmp_path / "7.heic").write_bytes(heic(Image.effect_noise((64, 48), 40)))
    picture(tmp_path / "8.png").rename(tmp_path / "8")
    first = Image.effect_noise((60, 40), 90).convert("RGB")
    first.save(tmp_path / "9.jpg", "MPO", save_all=True, append_images=[first])
    (tmp_path / "10.mov").write_bytes(bytes(4) + b"ftypqt  " + bytes(100))
    (tmp_path / "raw").mkdir()
    files, left_out = expand([tmp_path])
    assert [p.stem for p in files] == [str(n) for n in range(1, 10)]
    assert [p.content_type for p in check(files)] == [
        "image/jpeg", "image/avif", "image/tiff", "image/gif", "image/bmp", "image/webp", "image/heic", "image/png",
        "image/jpeg",
    ]  # fmt: skip
    assert [line.removeprefix(f"{tmp_path}/") for line in left_out] == [
        "10.mov is a video, and was left out.", "raw is a folder, and was left out.",
    ]  # fmt: skip


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no pictures"):
        expand([tmp_path])
