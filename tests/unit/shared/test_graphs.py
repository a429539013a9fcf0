"""Graphs: texts and paths reach ffmpeg's filters unchanged, and the command line is as intended."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.media.graphs import arguments, generated, joined, media_file, moving_pictures, split
from tests.support import films

AWKWARD = [
    "one, two; three", "it's \"quoted\" 'twice'", "[in] = a:b|c", "C:\\temp\\new", "back\\\\slash\\", "100 % %{n} %d",
    "夜の港に、灯りがともる。", "🎬👩‍🚀", "é — “ü”", "-vf=scale", "$HOME `id` #x", "a'[b],c:d;e=f\\g%h",
]  # fmt: skip


@pytest.mark.parametrize("text", AWKWARD)
def test_a_text_in_an_option_arrives_as_it_is(text: str, tmp_path: Path) -> None:
    out = tmp_path / f"{text.replace('/', '')} .txt"
    frame = generated("color", size="16x16", duration=0.1).filter("metadata", mode="add", key="note", value=text)
    films.render(frame.filter("metadata", mode="print", file=str(out)).output("-", format="null", **{"frames:v": 1}))
    assert out.read_text("utf-8").splitlines()[-1] == f"note={text}"


@pytest.mark.parametrize("text", AWKWARD)
def test_a_text_is_drawn_as_if_it_were_read_from_a_file(text: str, tmp_path: Path) -> None:
    written = tmp_path / f"{text.replace('/', '')}.txt"
    written.write_text(text, "utf-8")
    pictures = []
    for name, options in (("option", {"text": text}), ("file", {"textfile": str(written)})):
        black = generated("color", size="480x64", color="black", duration=0.1)
        shown = black.filter("drawtext", **options, expansion="none", fontcolor="white", fontsize=24, x=8, y=8)
        out = tmp_path / f"{name}.rgb"
        films.render(shown.output(str(out), format="rawvideo", pix_fmt="gray", **{"frames:v": 1}))
        pictures.append(np.frombuffer(out.read_bytes(), np.uint8))
    assert pictures[0].max() > 200, "nothing was drawn"
    assert (pictures[0] == pictures[1]).all()


@pytest.mark.parametrize("name", AWKWARD)
def test_subtitles_are_read_from_any_path(name: str, tmp_path: Path) -> None:
    script = tmp_path / f"{name.replace('/', '')}.srt"
    script.write_text("1\n00:00:00,000 --> 00:00:01,000\nWWWW\n\n", "utf-8")
    out = tmp_path / "out.rgb"
    black = generated("color", size="480x128", color="black", duration=0.1)
    shown = black.filter("subtitles", filename=str(script))
    films.render(shown.output(str(out), format="rawvideo", pix_fmt="gray", **{"frames:v": 1}))
    assert max(out.read_bytes()) > 100, "nothing was drawn"


def test_a_file_may_be_read_twice_in_one_graph(tmp_path: Path) -> None:
    path = films.video(tmp_path / "it's [a], film;.mp4", seconds=0.2, size="32x32")
    halves = [moving_pictures(media_file(path)), moving_pictures(media_file(path, again=True))]
    out = tmp_path / "out.mp4"
    films.render(joined(halves, "hstack", inputs=2).output(str(out)))
    assert films.watch_pictures(out).shape[0] == 5


def test_the_command_line_is_what_was_meant(tmp_path: Path) -> None:
    left, right = split(generated("testsrc2", size="64x36", rate=24).filter("trim", end_frame=4), 2)
    both = joined([left.filter("crop", w=32, h=36, x=0, y=0), right.filter("crop", w=32, h=36, x=32, y=0)], "hstack")
    sound = generated("sine", frequency=440)
    out = both.output(sound, "out.mp4", an=None, **{"c:v": "libx264", "crf": 20})
    still = generated("color", size="8x8").output("still.png", **{"frames:v": 1})
    lavfi = ["-f", "lavfi", "-protocol_whitelist", "pipe", "-i"]
    graph = (
        "[0]trim=end_frame=4[s0];[s0]split=2[s1][s2];[s1]crop=h=36:w=32:x=0:y=0[s3];"
        "[s2]crop=h=36:w=32:x=32:y=0[s4];[s3][s4]hstack[s5]"
    )
    assert arguments(out, still, global_options=("-xerror",)) == [
        *lavfi, "testsrc2=rate=24:size=64x36", *lavfi, "sine=frequency=440", *lavfi, "color=size=8x8",
        "-filter_complex", graph,
        "-map", "[s5]", "-map", "1", "-an", "-c:v", "libx264", "-crf", "20", "out.mp4",
        "-map", "2", "-frames:v", "1", "still.png", "-xerror",
    ]  # fmt: skip
