"""Within a job: how loud a sound is, from hundredth to hundredth of a second. `peaks` orders it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from shared.media.sandbox import open_media, packets

PER_SECOND: Final = 100
_RATE: Final = 24_000  # samples a second: more is not seen at this scale
_SAMPLES: Final = _RATE // PER_SECOND


def work(job: dict[str, Any]) -> dict[str, int]:
    """Job: `path`, `out`. Writes a byte for each hundredth of a second: its greatest sample, 255 being full scale, over
    all channels. Result: their number. A sound that breaks off ends there.

    Raises Permanent `media_unreadable`.
    """
    peaks = _peaks(Path(job["path"]))
    Path(job["out"]).write_bytes(peaks.tobytes())
    return {"peaks": len(peaks)}


def _peaks(path: Path) -> NDArray[np.uint8]:
    found: list[NDArray[np.float32]] = []
    rest = np.zeros(0, np.float32)
    for loudest in _loudest_channel(path):
        rest = np.concatenate((rest, loudest))
        whole = len(rest) // _SAMPLES * _SAMPLES
        found.append(rest[:whole].reshape(-1, _SAMPLES).max(axis=1))
        rest = rest[whole:]
    if len(rest):
        found.append(rest.max(keepdims=True))
    loudness = np.concatenate(found) if found else rest
    return np.rint(np.clip(np.nan_to_num(loudness), 0, 1) * 255).astype(np.uint8)


def _loudest_channel(path: Path) -> Iterator[NDArray[np.float32]]:
    """The absolute samples of the channel that is loudest at each, in pieces."""
    with open_media(path) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", rate=_RATE)
        with suppress(av.error.FFmpegError):
            for packet in packets(container, stream):
                for frame in stream.decode(packet):
                    for part in resampler.resample(frame):
                        yield np.abs(part.to_ndarray()).max(axis=0)
            for part in resampler.resample(None):
                yield np.abs(part.to_ndarray()).max(axis=0)
