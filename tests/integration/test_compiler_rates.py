"""Films at the rates of NTSC are exact in every frame, caption, chapter and edit."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest

from shared.contracts.events.compiler import FilmState
from shared.contracts.values import Output, Transition, TransitionStyle
from tests.support import films
from tests.support.compiler_harness import Start, item, requested, sources, start

__all__ = ["sources", "start"]

DISSOLVE = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.5)


@pytest.mark.parametrize("exact", ["24000/1001", "60000/1001"])
async def test_a_film_at_a_rate_of_ntsc_is_exact(start: Start, tmp_path: Path, exact: str) -> None:
    rate = Fraction(exact)
    nominal = -(-rate.numerator // rate.denominator)
    for n in (1, 2, 3):
        films.video(tmp_path / f"{n}.mp4", seconds=1.5, size="160x90", fps=exact, hue=100 * n)
    films.tone(tmp_path / "voice.wav", seconds=1.0)
    async with start(render_ahead=False) as stage:
        clips = [await stage.commit(tmp_path / f"{n}.mp4") for n in (1, 2, 3)]
        heard = await stage.commit(tmp_path / "voice.wav")
        voice = heard.model_copy(update={"directions": "We leave at dawn."})
        items = [
            item(1, clips[0], after=DISSOLVE).model_copy(update={"scene": "Scene 1: Kitchen"}),
            item(2, clips[1], narration=voice).model_copy(update={"scene": "Scene 1: Kitchen"}),
            item(3, clips[2]).model_copy(update={"scene": "Scene 2: Hafen, früh"}),
        ]
        output = Output(width=160, height=90, fps=float(rate))  # type: ignore[arg-type]  # as people write it
        film = await stage.film(requested(*items, output=output))
        assert film.state is FilmState.COMPLETED, film.problem
        assert film.media is not None and film.report is not None
        frames, each, overlap = 3 * round(1.5 * rate) - round(rate / 2), round(1.5 * rate), round(rate / 2)
        assert (film.media.frames, film.media.frame_rate, film.media.fps) == (frames, exact, round(float(rate), 3))
        assert film.media.duration_s == pytest.approx(float(frames / rate), abs=1e-6)
        path = stage.path(film.object)
        assert films.watch(path, rate).pts == list(range(frames))
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == stream.guessed_rate == rate
            assert stream.time_base == Fraction(1, 1000 * nominal)
            second = (each - overlap + each) / rate
            starts = [float(c["start"] * c["time_base"]) for c in container.chapters()]
            assert [c["metadata"]["title"] for c in container.chapters()] == [
                "Scene 1: Kitchen",
                "Scene 2: Hafen, früh",
            ]
            assert starts == pytest.approx([0, float(second)], abs=1e-6)
        assert [(c.title, c.start_s) for c in film.report.chapters] == [
            ("Scene 1: Kitchen", 0),
            ("Scene 2: Hafen, früh", round(float(second), 3)),
        ]
        spoken = stage.path(film.files["captions.srt"]).read_text().splitlines()[1]
        begins = float((each - overlap) / rate)
        minutes, seconds = spoken.split(" --> ")[0].replace(",", ".").split(":")[1:]
        assert float(minutes) * 60 + float(seconds) == pytest.approx(begins, abs=0.002)
        timeline = json.loads(stage.path(film.files["timeline.otio"]).read_text())
        (pictures,) = [t for t in timeline["tracks"]["children"] if t["kind"] == "Video"]
        lengths = [c["source_range"]["duration"] for c in pictures["children"] if "source_range" in c]
        assert {length["rate"] for length in lengths} == {float(rate)}
        assert sum(length["value"] for length in lengths) == frames
        await stage.idle()
