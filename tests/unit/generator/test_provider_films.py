"""Films that a provider was paid for are used as they are, whatever container and codec they came in."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from services.generator.media.base import ComparisonFiles
from services.generator.media.inspection import inspect
from shared.contracts.values import AssetKind
from shared.media.probe import probe
from tests.support.films import ffmpeg


def _without_first_key_frame(source: Path, out: Path, skipped: int) -> None:
    """The packets after the first ones: nothing can be decoded before the next key frame."""
    with av.open(str(source)) as whole, av.open(str(out), "w", format="mp4") as cut:
        stream = whole.streams.video[0]
        copy = cut.add_stream_from_template(stream)
        start: int | None = None
        for number, packet in enumerate(whole.demux(stream)):
            if number < skipped or packet.dts is None or packet.pts is None:
                continue
            start = packet.dts if start is None else start
            packet.dts, packet.pts = packet.dts - start, packet.pts - start
            packet.stream = copy
            cut.mux(packet)


async def test_a_phone_s_h263_whose_index_is_at_its_end_is_kept_with_a_copy_to_play(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=176x144:rate=15:duration=1", "-c:v", "h263", "-f", "3gp", path)
    found = await inspect(path, AssetKind.VIDEO, tmp_path, ComparisonFiles(), None)
    assert (found.media.width, found.media.height, found.media.frames) == (176, 144, 15)
    assert probe(path).frames == 15, "the file itself is still whole"
    assert found.proxy is not None and probe(found.proxy).video_codec == "h264"
    assert found.last_frame is not None


async def test_a_rotated_film_without_a_key_frame_at_its_start_is_measured_to_its_end(tmp_path: Path) -> None:
    whole, cut, path = tmp_path / "whole.mp4", tmp_path / "cut.mp4", tmp_path / "film.mp4"
    pictures = ("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3")
    ffmpeg(*pictures, "-c:v", "libx264", "-g", "25", "-bf", "0", "-pix_fmt", "yuv420p", whole)
    _without_first_key_frame(whole, cut, 9)
    ffmpeg("-display_rotation", "90", "-i", cut, "-c", "copy", "-copyinkf", path)
    found = await inspect(path, AssetKind.VIDEO, tmp_path, ComparisonFiles(), None)
    assert (found.media.width, found.media.height) == (180, 320)
    assert found.media.duration_s == pytest.approx(75 / 25 - 9 / 25, abs=0.05)
    assert found.last_frame is not None
