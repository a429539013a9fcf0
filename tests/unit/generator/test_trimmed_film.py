"""A film that was trimmed without encoding still holds what was cut off: its segments do not show it."""

from __future__ import annotations

from pathlib import Path

import av

from services.generator.domain.film_splits import SceneChange, plan_split
from services.generator.media.film.cutter import FilmCutter
from tests.support.films import ffmpeg


async def test_what_was_trimmed_away_is_in_no_segment(tmp_path: Path) -> None:
    """Picture n has a luma of 20 + 3n. The film begins at 18, for which those from the key frame 12 on are decoded."""
    whole, film = tmp_path / "whole.mp4", tmp_path / "film.mp4"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "nullsrc=size=64x36:rate=24:duration=3,geq=lum='20+3*N':cb=128:cr=128",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-crf",
        "5",
        "-bf",
        "2",
        "-g",
        "12",
        whole,
    )
    ffmpeg("-ss", "0.75", "-i", whole, "-c", "copy", film)
    cutter = FilmCutter()
    opened = await cutter.open(film, tmp_path, lambda share: None)
    spans = plan_split(opened.timeline, [SceneChange(0.75, 1.0)]).spans  # picture 36: a key frame
    assert [span.copied for span in spans] == [False, True]
    clips = await cutter.cut(opened, spans, tmp_path)
    assert [numbers(clip.video) for clip in clips] == [list(range(18, 36)), list(range(36, 72))]


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as film:
        return [round((frame.to_ndarray()[:36].mean() - 20) / 3) for frame in film.decode(video=0)]
