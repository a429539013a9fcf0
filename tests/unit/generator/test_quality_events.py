"""Where a video is black, frozen, flashing or cut: read from the log of ffmpeg's filters, and from counted flashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from services.generator.media.flashes import COLUMNS, ROWS, find_flashes
from services.generator.media.quality_events import MOST, quality_events

LOG = """
[blackdetect @ 0x5] [info] black_start:0 black_end:0.5 black_duration:0.5
[freezedetect @ 0x6] [info] lavfi.freezedetect.freeze_start: 1.25
[freezedetect @ 0x6] [info] lavfi.freezedetect.freeze_duration: 0.75
[freezedetect @ 0x6] [info] lavfi.freezedetect.freeze_end: 2
[scdet @ 0x7] [info] lavfi.scd.score: 41.250, lavfi.scd.time: 3
[freezedetect @ 0x6] [info] lavfi.freezedetect.freeze_start: 4.2
"""


def test_what_the_filters_log_is_read() -> None:
    found = [(e.kind, e.start, e.end, e.value) for e in quality_events(LOG, [(2.0, 2.9, 5)], 5.0)]
    assert found == [
        ("black", 0.0, 0.5, None),
        ("frozen", 1.25, 2.0, None),
        ("flash", 2.0, 2.9, 5.0),
        ("cut", 3.0, 3.0, 41.25),
        ("frozen", 4.2, 5.0, None),
    ]
    assert quality_events("", [], 5.0) == []


def test_there_are_never_more_than_can_be_shown_and_none_outside_of_the_video() -> None:
    cuts = "\n".join(f"[scdet @ 0] [info] lavfi.scd.score: 20.0, lavfi.scd.time: {n / 10}" for n in range(MOST + 50))
    found = quality_events(cuts, [(-1.0, 99.0, 9)], 3.0)
    assert len(found) == MOST + 1
    assert all(0 <= e.start <= e.end <= 3.0 for e in found)


def test_flashes_are_placed_where_they_are(tmp_path: Path) -> None:
    fps, calm = 24, np.full((ROWS, COLUMNS, 3), 128, np.uint8)
    flashing = [np.full((ROWS, COLUMNS, 3), 255 * (n // 2 % 2), np.uint8) for n in range(2 * fps)]
    path = tmp_path / "cells.rgb"
    path.write_bytes(b"".join(p.tobytes() for p in [*[calm] * (3 * fps), *flashing, *[calm] * (3 * fps)]))
    found = find_flashes(path, fps)
    assert found
    assert found.light == 6
    [(start, end, most)] = found.spans
    assert most == 6
    assert 2.0 <= start <= 3.2
    assert 4.8 <= end <= 6.0
