"""Captions of a whole film: in the file, next to it, and on its pictures, at the times when they are spoken."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest

from services.compiler.commands.assembly import missing_glyph_warnings
from services.compiler.planning.captions import Caption, captions
from services.compiler.planning.film_parts import FilmPictures
from services.compiler.planning.film_plan import Clip, Shot, plan_film
from services.compiler.planning.pieces import Piece, PieceKind
from services.compiler.planning.sound_plan import Spoken
from services.compiler.planning.subtitles import letters_per_row
from services.compiler.rendering.filters import Span
from services.compiler.rendering.fonts import fonts_fingerprint, write_script
from services.compiler.rendering.mp4.film import Line
from services.compiler.rendering.video import VideoRenderer
from shared.contracts.events.compiler import FilmState
from shared.contracts.values import CaptionMode, Output
from tests.support import films
from tests.support.compiler_harness import (
    Start,
    item,
    requested,
    sources,
    start,
)
from tests.support.film_harness import OUTPUT, FilmHarness

__all__ = ["sources", "start"]


@pytest.fixture
def harness(tmp_path: Path) -> FilmHarness:
    return FilmHarness(tmp_path, VideoRenderer())


async def test_a_narration_s_script_is_shown_while_it_is_heard(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        video, voice = await stage.commit(sources / "a.mp4"), await stage.commit(sources / "voice.wav")
        script = voice.model_copy(update={"directions": "One & two.", "language": "de-AT"})
        silent, said = item(1, video), item(2, video, narration=script)
        mute = item(3, video, narration=(await stage.commit(sources / "music.wav")))

        soft = await stage.film(requested(silent, said, mute))
        assert soft.state is FilmState.COMPLETED, soft.problem
        vtt = stage.path(soft.files["captions.vtt"]).read_text("utf-8")
        assert vtt == "WEBVTT\n\nNOTE Language: de-AT\n\n00:00:02.000 --> 00:00:03.500\nOne &amp; two.\n"
        srt = stage.path(soft.files["captions.srt"]).read_text("utf-8")
        assert srt == "1\n00:00:02,000 --> 00:00:03,500\nOne & two.\n"
        written = stage.path(soft.files["timeline.otio"]).read_text("utf-8")
        timeline = otio.adapters.read_from_string(written, "otio_json")
        assert [int(t.duration().value) for t in timeline.video_tracks()] == [3 * 48]
        heard = timeline.audio_tracks()[0].find_clips()[0]
        assert heard.metadata["retake"]["version_id"] == voice.version_id
        assert soft.warnings[-1] == "Segment 3 has no captions: its narration has no script."
        with av.open(str(stage.path(soft.object))) as film:
            assert [film.streams.audio[0].language, film.streams.subtitles[0].language] == ["deu", "deu"]
            assert [bytes(p)[2:].decode() for p in film.demux(film.streams.subtitles[0]) if p.size > 2] == [
                "One & two."
            ]

        burned = await stage.film(requested(silent, said, mute, captions=CaptionMode.BURNED))
        assert burned.report is not None
        assert burned.report.pieces_rendered == 1  # the one clip during which it is spoken
        assert burned.files["captions.vtt"].sha256 == soft.files["captions.vtt"].sha256
        with av.open(str(stage.path(burned.object))) as film:
            assert not film.streams.subtitles
            assert film.streams.video[0].frames == 3 * 48


SPOKEN = (
    Caption(0, 700, ("Ships & <b>stars</b>,", "and a quay.")),
    Caption(700, 1200, ("夜の港に、灯りがともる。",)),
    Caption(1500, 2900, ("שלום, עולם!",)),
)


async def test_soft_captions_are_read_back_as_they_were_written(harness: FilmHarness) -> None:
    source = films.video(harness.folder / "a.mp4", seconds=4)
    plan, clips = await harness.plan((source, None))
    lines = [Line(c.start, c.end, c.text) for c in SPOKEN]
    film = await harness.film([source], plan, clips, text=lines)
    films.watch(film, OUTPUT.fps)
    with av.open(str(film)) as container:
        (track,) = container.streams.subtitles
        assert (track.codec_context.name, track.language) == ("mov_text", "jpn")
        assert abs(float(track.duration * track.time_base) - plan.frames / OUTPUT.fps) < 0.002
        assert float(container.duration) / av.time_base == pytest.approx(plan.frames / OUTPUT.fps, abs=0.002)
        packets = [p for p in container.demux(track) if p.size]
        shown = [(p.pts, p.pts + p.duration, bytes(p)[2:].decode()) for p in packets if p.size > 2]
    assert shown == [(c.start, c.end, c.text) for c in SPOKEN]
    films.ffmpeg("-i", film, "-map", "0:s", "-c:s", "webvtt", harness.folder / "out.vtt")
    assert "00:00.700 --> 00:01.200\n夜の港に、灯りがともる。" in (harness.folder / "out.vtt").read_text("utf-8")


async def test_burned_captions_are_drawn_where_they_are_spoken_and_nowhere_else(harness: FilmHarness) -> None:
    source = films.video(harness.folder / "still.mp4", seconds=2)
    clip = await harness.clip(source)
    script = harness.folder / "it's [a], script;.ass"
    write_script(script, (Caption(250, 500, ("WWWWWWWW", "WWWWWWWW")),), OUTPUT)
    drawn = await harness.video.captioned(clip.path, Span(24, 48), script, OUTPUT, harness.folder / "drawn.mp4")
    assert (drawn.index.frames, drawn.index.keyframes[0]) == (24, 0)
    assert drawn.index.extradata == clip.index.extradata
    before, after = (films.watch_pictures(p) for p in (clip.path, drawn.path))
    difference = np.abs(before[24:48].astype(int) - after.astype(int))[:, 22:, :].max(axis=(1, 2))
    assert (difference[6:12] > 60).all()
    assert (difference[:6] < 25).all() and (difference[12:] < 25).all()


async def test_glyphs_that_no_font_has_are_reported(harness: FilmHarness) -> None:
    """They are from an unassigned plane, which no font can contain; the other characters are drawn."""
    clip = await harness.clip(films.video(harness.folder / "a.mp4", seconds=1, size="160x90"))
    script = harness.folder / "script.ass"
    write_script(script, (Caption(0, 900, ("Quay \U00091234\U00091235",)),), OUTPUT)
    drawn = await harness.video.captioned(clip.path, Span(0, 24), script, OUTPUT, harness.folder / "drawn.mp4")
    assert drawn.undrawn == "\U00091234\U00091235"
    made = Piece("k", PieceKind.CAPTIONED, None, {"undrawn": drawn.undrawn + "夜の港に灯りが"})
    plan = plan_film([Shot("s", "Segment 1", Clip("c", 24, (0,)))], 24)
    (warning,) = missing_glyph_warnings(FilmPictures(plan, (), (), {0: made}))
    assert warning.startswith("The burned captions lack \U00091234 \U00091235 夜 の 港 に 灯 り and 1 more: ")


@pytest.mark.parametrize(
    "script",
    [
        "The quick brown fox jumps over the lazy dog while the EXTRAORDINARY WOMEN WOMBATS MUMBLE in the harbour.",
        "夜の港に、灯りがともる。船は静かに岸を離れ、遠い島へ向かって進んでいく。",
        "一艘小船在黎明时分离开港口，驶向远方的岛屿，海面上泛着金色的光芒。",
        "밤의 항구에 불이 켜지고 배는 조용히 먼 섬으로 떠난다.",
        "مرحبا بالعالم، هذا نص طويل بعض الشيء لاختبار عرض الترجمة على الشاشة الضيقة.",
        "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen",
    ],
)
async def test_burned_captions_have_two_rows_that_fit_a_portrait_picture(harness: FilmHarness, script: str) -> None:
    """Also in Chinese, Japanese and Korean, on a machine without a font for them."""
    output = Output(width=270, height=480)
    black = harness.folder / "black.mp4"
    films.ffmpeg("-f", "lavfi", "-i", "color=black:s=270x480:r=24:d=1", "-c:v", "libx264", black)
    clip = await harness.video.conform(black, output, harness.folder / "clip.mp4")
    spoken = [Spoken("s", 0, 20 * 48_000)]
    captions_drawn = captions({"s": script}, spoken, {}, 20 * 48_000, letters_per_row(output))
    assert "".join(c.text for c in captions_drawn).replace("\n", "").replace(" ", "") == script.replace(" ", "")
    shown = [Caption(n * 125, n * 125 + 125, c.lines) for n, c in enumerate(captions_drawn[:8])]
    ass = harness.folder / "script.ass"
    write_script(ass, shown, output)
    drawn = await harness.video.captioned(clip.path, Span(0, 24), ass, output, harness.folder / "drawn.mp4")
    assert drawn.undrawn == ""
    with av.open(str(drawn.path)) as film:
        pictures = np.stack([f.reformat(270, 480, "gray").to_ndarray() for f in film.decode(video=0)])
    for n, caption in enumerate(shown):
        lit = pictures[3 * n + 1] > 128
        columns, rows = np.flatnonzero(lit.any(axis=0)), np.flatnonzero(lit.any(axis=1))
        assert columns[0] >= 12 and columns[-1] < 258, caption
        assert rows[-1] - rows[0] < 2 * 1.3 * 270 / 15, caption
        assert len(caption.lines) <= 2


def test_another_font_changes_the_fingerprint(tmp_path: Path) -> None:
    before = fonts_fingerprint((str(tmp_path),))
    (tmp_path / "noto").mkdir()
    (tmp_path / "noto" / "NotoSansCJK.ttc").touch()
    assert fonts_fingerprint((str(tmp_path),)) != before
    assert fonts_fingerprint((str(tmp_path / "nowhere"),)) == before
