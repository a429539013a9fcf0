"""Scripts: every error is reported with its line and column, before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.cli.episodes import _is_film
from client.script.document import Document, picture_paths, read_document
from client.script.source import Finding, ScriptError, read_source

GOOD = """\
title: 42
description: no
output: {width: 1280, height: 720, fps: 25, fit: crop}
directions:
  music: calm piano
segments:
  - scene_info: {scene_number: 1, location: 公司会议室, dialogue: [{character: Ada, text: "Yes: no"}]}
    duration: 5
    directions: {video: slowly push in, narration: "2026-11-21"}
    starting_image: photos/one.jpg
    transition_after: dissolve
  - starting_image: {url: https://example.org/two.png}
    transition_after: {style: fade, duration: 0.25}
"""


def write(folder: Path, text: str | bytes, name: str = "film.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path) -> tuple[Document, list[Finding]]:
    return read_document(read_source(path))


def wrong(path: Path) -> list[str]:
    with pytest.raises(ScriptError) as e:
        read(path)
    return [str(f).removeprefix(str(path)) for f in e.value.findings]


def test_a_script_becomes_the_document_of_the_api(tmp_path: Path) -> None:
    document, warnings = read(write(tmp_path, GOOD))
    assert warnings == []
    assert document.as_json() == {
        "title": "42",
        "description": "no",
        "output": {"width": 1280, "height": 720, "fps": 25.0, "fit": "crop"},
        "directions": {"music": "calm piano"},
        "segments": [
            {
                "scene_info": {"scene_number": 1, "location": "公司会议室",
                               "dialogue": [{"character": "Ada", "text": "Yes: no"}]},
                "duration": 5.0,
                "directions": {"video": "slowly push in", "narration": "2026-11-21"},
                "starting_image": {"path": "photos/one.jpg"},
                "transition_after": {"style": "dissolve"},
            },
            {
                "starting_image": {"url": "https://example.org/two.png"},
                "transition_after": {"style": "fade", "duration": 0.25},
            },
        ],
    }  # fmt: skip
    assert picture_paths(document, tmp_path / "film.yaml") == {0: tmp_path / "photos/one.jpg"}


def test_one_text_for_a_shot_is_its_videos(tmp_path: Path) -> None:
    document, warnings = read(write(tmp_path, "title: A\nsegments:\n  - directions: push in\n"))
    assert document.as_json()["segments"] == [{"directions": {"video": "push in"}}]
    assert warnings == []


def test_json_means_the_same(tmp_path: Path) -> None:
    document, _ = read(write(tmp_path, GOOD))
    as_json = json.dumps(document.as_json(), indent="\t", ensure_ascii=True)
    again, warnings = read(write(tmp_path, as_json, "film.json"))
    assert again == document
    assert warnings == []


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_unknown_keys_are_warned_of_where_they_stand(tmp_path: Path, suffix: str) -> None:
    text = {
        "yaml": "title: T\nmusik: x\nsegments:\n- directions: {video: a}\n  scene_info:\n    lokation: here\n",
        "json": '{"title": "T",\n"musik": "x",\n"segments": [\n{"directions": {"video": "a"},\n\t"scene_info": {\n'
        '    "lokation": "here"}}]}',
    }[suffix]
    path = write(tmp_path, text, f"film.{suffix}")
    document, warnings = read(path)
    assert [(f.line, f.column) for f in warnings] == [(2, 1), (6, 5)]
    assert "Unknown key 'lokation' is ignored. Known keys: scene_number, location," in warnings[1].message
    assert "musik" not in document.as_json()


def test_a_key_given_twice_is_warned_of(tmp_path: Path) -> None:
    document, warnings = read(write(tmp_path, "title: A\ntitle: B\nsegments: [{}]\n"))
    assert document.title == "B"
    assert [(f.line, f.message) for f in warnings] == [(2, "Duplicate key 'title'; the last value is used.")]


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, "segments:\n- duration: -1\n- {duration: long}\n- transition_after: wipe\n"
                           "- directions: {video: [a]}\n- starting_image: {}\n")  # fmt: skip
    assert wrong(path) == [
        ":1:1: title: field required.",
        ":2:3: segments[1].duration: input should be greater than or equal to 0.1.",
        ":3:4: segments[2].duration: input should be a valid number, unable to parse string as a number.",
        ":4:3: segments[3].transition_after.style: input should be 'cut', 'fade' or 'dissolve'.",
        ":5:16: segments[4].directions.video: input should be a valid string.",
        ":6:3: segments[5].starting_image: give exactly one of path, url and upload_id.",
    ]


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("title: T\nsegments:\n  - a: [1\n", "f.yaml", ":4:1: Invalid YAML: while parsing a flow sequence"),
        ("title: T\n\tx: 1\n", "f.yaml", ":2:1: Invalid YAML:"),
        ("title: T\n---\ntitle: U\n", "f.yaml", ":2:1: Invalid YAML: expected a single document"),
        ("title: *nowhere\n", "f.yaml", ":1:8: Invalid YAML: found undefined alias"),
        ("title: !!python/object:os.system x\nsegments: []\n", "f.yaml", ":1:8: Invalid value"),
        ("? [a]\n: b\n", "f.yaml", ":1:3: A key must be a string."),
        ('{"title": "T",\n "segments": [}', "f.json", ":2:15: Invalid JSON: Expecting value."),
        (b"title: caf\xe9\n", "f.yaml", ":1:11: The script must be UTF-8 text; save it with that encoding."),
        (b"PK\x03\x04\x14", "f.yaml", ": This is a Word document or an archive. A script is YAML or JSON"),
        (b"%PDF-1.7", "f.yaml", ": This is a PDF document."),
        (b"{\\rtf1 Hello}", "f.yaml", ": This is an RTF document."),
        (b"<?xml version='1.0'?><FinalDraft/>", "f.yaml", ": This is an XML file, such as a Final Draft script."),
        (b"title: T\nx: \x07\n", "f.yaml", ":2:4: Control character U+0007 is not allowed."),
        ("[1, 2]", "f.yaml", ":1:1: A script is a mapping"),
        ("", "f.yaml", ": A script is a mapping"),
        ("just words", "f.yaml", ":1:1: A script is a mapping"),
        ("[" * 1500, "f.yaml", ": Invalid YAML: nested too deeply"),
        ("[" * 100_000, "f.json", ": The script is nested too deeply."),
        (b"x" * 1_100_000, "f.yaml", ": The script is larger than 1 MiB."),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path: Path, text: str | bytes, name: str, told: str) -> None:
    [line] = wrong(write(tmp_path, text, name))
    assert line.startswith(told)


def test_a_missing_script(tmp_path: Path) -> None:
    assert wrong(tmp_path / "none.yaml") == [": The script cannot be read: No such file or directory."]


def test_aliases_that_multiply_are_stopped(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    [line] = wrong(write(tmp_path, bomb))
    assert "more than 100,000 values" in line


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_script_as_windows_editors_save_it(encoding: str, tmp_path: Path) -> None:
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    text = "title: Gr\u00fc\u00dfe \u2013 \u201e\u591c\u201c\r\nsegments: [{}]\r\n"
    document, warnings = read(write(tmp_path, mark + text.encode(encoding)))
    assert (document.title, warnings) == ("Gr\u00fc\u00dfe \u2013 \u201e\u591c\u201c", [])


def test_a_byte_order_mark_is_no_letter(tmp_path: Path) -> None:
    document, warnings = read(write(tmp_path, b"\xef\xbb\xbftitle: T\nsegments: [{}]\n"))
    assert (document.title, warnings) == ("T", [])


def test_such_a_script_is_no_film_and_no_sound(tmp_path: Path) -> None:
    path = write(tmp_path, "title: T\nsegments: [{}]\n".encode("utf-16"))
    assert not _is_film(path)
