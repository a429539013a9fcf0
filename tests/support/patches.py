"""Colour patches of known light, encoded as a camera, a phone or an old tape would encode them.

The formulas are those of the standards, not of ffmpeg: BT.1886 (display gamma), SMPTE ST 2084, BT.2100 HLG.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.support.films import ffmpeg

Light = NDArray[np.float64]
"""Shape (n, 3): BT.709 red, green, blue; 1.0 is SDR white, and 203 cd/m2 in HDR."""

LIGHT: Light = np.array(
    [(0, 0, 0), (0.18, 0.18, 0.18), (0.5, 0.5, 0.5), (0.45, 0.08, 0.06), (0.1, 0.4, 0.08), (0.05, 0.07, 0.5),
     (0.55, 0.32, 0.22), (0.9, 0.9, 0.9)]
)  # fmt: skip
WIDE = 40  # width of a patch in pixels

_WHITE = (0.3127, 0.3290)
_XY = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_KR_KB = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


@dataclass(frozen=True)
class Written:
    """How light is encoded: code points of ISO/IEC 23091-2. `tagged`: the file names them."""

    matrix: int = 1
    transfer: int = 1
    primaries: int = 1
    full_range: bool = False
    tagged: bool = True
    height: int = 96


def write_patches(path: Path, written: Written, light: Light = LIGHT, *, frames: int = 12) -> Path:
    """Write a lossless 10-bit film of the patches side by side."""
    signal = _signal(light, written)
    ycc = _ycc(signal, *_KR_KB[written.matrix])
    low, luma, chroma = (0, 1023, 1023) if written.full_range else (64, 876, 896)
    codes = np.round(ycc * (luma, chroma, chroma) + (low, 512, 512)).clip(0, 1023).astype("<u2")
    picture = np.repeat(codes.T[:, None, :], WIDE, axis=2).repeat(written.height, axis=1)
    raw = path.with_suffix(".yuv")
    raw.write_bytes(picture.tobytes() * frames)
    size = f"{WIDE * len(light)}x{written.height}"
    tags = ["-color_range", "pc" if written.full_range else "tv"]
    if written.tagged:
        tags += ["-colorspace", str(written.matrix), "-color_trc", str(written.transfer)]
        tags += ["-color_primaries", str(written.primaries)]
    ffmpeg("-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", size, "-r", "24", *tags, "-i", raw, "-c:v", "ffv1", path)
    raw.unlink()
    return path


def read_patches(path: Path, count: int = len(LIGHT)) -> NDArray[np.float64]:
    """The signal (n, 3) in the middle of each patch, 0 to 1, of a BT.709 limited-range film."""
    with av.open(str(path)) as film:
        frames = [f.to_ndarray() for f in film.decode(video=0)]
    planes = frames[len(frames) // 2]
    height = planes.shape[0] * 2 // 3
    width = planes.shape[1]
    luma = planes[:height]
    u, v = planes[height:].reshape(2, height // 2, width // 2)
    found = []
    for n in range(count):
        middle = round((n + 0.5) * width / count)
        y = luma[height // 2 - 8 : height // 2 + 8, middle - 6 : middle + 6].mean()
        cb, cr = (c[height // 4 - 4 : height // 4 + 4, middle // 2 - 3 : middle // 2 + 3].mean() for c in (u, v))
        found.append(_rgb((y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224))
    return np.array(found)


def sdr_signal(light: Light) -> Light:
    """The signal with which a BT.709 display shows this light (BT.1886, black at 0)."""
    shown: Light = light.clip(0, 1) ** (1 / 2.4)
    return shown


def _signal(light: Light, written: Written) -> Light:
    native = (light @ _between(1, written.primaries).T).clip(0, None)
    match written.transfer:
        case 16:
            return _pq(native * 203)
        case 18:
            return _hlg(native * 203)
        case _:
            return sdr_signal(native)


def _pq(nits: Light) -> Light:
    powered = (nits / 10_000) ** 0.1593017578125
    coded: Light = ((0.8359375 + 18.8515625 * powered) / (1 + 18.6875 * powered)) ** 78.84375
    return coded


def _hlg(nits: Light) -> Light:
    """BT.2100 for a display of 1,000 cd/m2: system gamma 1.2."""
    shown = (nits @ (0.2627, 0.6780, 0.0593)).clip(1e-9, None)[:, None] / 1000
    scene = nits / 1000 * shown ** (1 / 1.2 - 1)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    coded: Light = np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)
    return coded


def _between(source: int, target: int) -> Light:
    found: Light = np.linalg.inv(_to_xyz(target)) @ _to_xyz(source)
    return found


def _to_xyz(primaries: int) -> Light:
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _XY[primaries]]).T
    white = np.array((_WHITE[0] / _WHITE[1], 1, (1 - sum(_WHITE)) / _WHITE[1]))
    found: Light = columns * np.linalg.solve(columns, white)
    return found


def _ycc(signal: Light, kr: float, kb: float) -> Light:
    y = signal @ (kr, 1 - kr - kb, kb)
    return np.stack((y, (signal[:, 2] - y) / (2 - 2 * kb), (signal[:, 0] - y) / (2 - 2 * kr)), axis=1)


def _rgb(y: float, cb: float, cr: float) -> tuple[float, float, float]:
    r, b = y + cr * (2 - 2 * 0.2126), y + cb * (2 - 2 * 0.0722)
    return r, (y - 0.2126 * r - 0.0722 * b) / 0.7152, b
