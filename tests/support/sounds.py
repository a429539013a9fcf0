"""Reads sound files into arrays."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


def read_sound(path: Path) -> NDArray[np.float32]:
    """Samples in -1..1, of shape (samples, channels)."""
    with av.open(str(path)) as container:
        channels = container.streams.audio[0].channels
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    packed = np.concatenate([f.reshape(-1, channels) if f.shape[0] == 1 else f.T for f in frames])
    scale = {np.dtype(np.int16): 2**15, np.dtype(np.int32): 2**31}.get(packed.dtype, 1)
    return packed.astype(np.float32) / np.float32(scale)
