"""Colours of still pictures that say them by code points (CICP) instead of an ICC profile: AVIF, HEIC and PNG.

Above all HDR: PQ and HLG values look grey if they are taken for sRGB. They are toned down as browsers do, so that a
starting image looks as it did where it was chosen: SMPTE ST 2094-50's reference white tone mapping operator, with which
Chromium shows HDR on ordinary screens. Reference white (203 cd/m2, ITU-R BT.2408) becomes half the light of white,
below it everything keeps its proportions, and above it a curve leads to the brightest light.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

_PQ: Final = 16  # SMPTE ST 2084
_HLG: Final = 18  # ARIB STD-B67
_LINEAR: Final = 8
_GAMMAS: Final = {4: 2.2, 5: 2.8}
WHITE_NITS: Final = 203.0
PEAK_NITS: Final = 1000.0  # where the picture does not say how bright it becomes
_KAPPA: Final = 0.65  # of the operator's curve
_ROWS: Final = 64  # converted at one time, which bounds the memory
_HEAD_BYTES: Final = 1 << 18

# x and y of red, green, blue and white, by code point (ISO/IEC 23091-2, table 2).
_D65: Final = (0.3127, 0.3290)
_PRIMARIES: Final = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
_BT709, _BT2020 = 1, 9


@dataclass(frozen=True)
class StillColour:
    """`primaries` and `transfer`: code points; `peak_nits`: the brightest light, if the picture says so."""

    primaries: int
    transfer: int
    peak_nits: float | None = None

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (_PQ, _HLG)

    @property
    def is_srgb(self) -> bool:
        """Nothing has to be converted: BT.709's own curve is shown as sRGB, as everywhere."""
        return self.transfer not in (_PQ, _HLG, _LINEAR, *_GAMMAS) and self.primaries in (_BT709, 2)


def still_colour(path: Path, form: str | None) -> StillColour | None:
    """What the picture says by code points; None if it says nothing. `form`: Pillow's name of its format."""
    match form:
        case "PNG":
            return _of_png(path)
        case "HEIF" | "AVIF":
            return _of_heif(path)
        case _:
            return None


def _of_png(path: Path) -> StillColour | None:
    """From the chunks before the pixels (PNG, third edition, 11.3.2.6 and 11.3.2.8)."""
    found: dict[bytes, bytes] = {}
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
            length = int.from_bytes(head[:4])
            if head[4:] in (b"cICP", b"cLLI") and length <= 8:
                found[head[4:]] = file.read(length)
                length = 0
            file.seek(length + 4, 1)
    cicp = found.get(b"cICP", b"")
    if len(cicp) != 4:
        return None
    light = found.get(b"cLLI", b"")
    peak = struct.unpack(">I", light[:4])[0] / 10_000 if len(light) == 8 else None
    return StillColour(cicp[0], cicp[1], peak or None)


def _of_heif(path: Path) -> StillColour | None:
    try:
        nclx: dict[str, Any] | None = pi_heif.open_heif(path).info.get("nclx_profile")
    except (ValueError, OSError, RuntimeError, SyntaxError):  # its own reader decides whether it is a picture
        return None
    if not nclx:
        return None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    at = head.find(b"clli")
    peak = float(int.from_bytes(head[at + 4 : at + 6])) if at > 0 else None
    return StillColour(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]), peak or None)


def as_srgb(image: Image.Image, colour: StillColour) -> Image.Image:
    """The picture in sRGB; transparency is kept."""
    if colour.is_srgb:
        return image
    if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    values = np.asarray(image.convert("RGB"))
    light_of = _light(colour)
    weights = _to_xyz(_primaries(colour))[1].astype(np.float32)
    matrix = (np.linalg.inv(_to_xyz(_PRIMARIES[_BT709])) @ _to_xyz(_primaries(colour))).T.astype(np.float32)
    out = np.empty_like(values)
    for top in range(0, len(values), _ROWS):
        light = light_of[values[top : top + _ROWS]]
        if colour.transfer == _HLG:
            light = _displayed(light, weights)
        if colour.is_hdr:
            peak = colour.peak_nits if colour.peak_nits and colour.transfer == _PQ else PEAK_NITS
            light = _toned(light / np.float32(WHITE_NITS), max(1.0, peak / WHITE_NITS))
        out[top : top + _ROWS] = np.rint(_encoded(light @ matrix) * 255)
    converted = Image.fromarray(out, "RGB")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _primaries(colour: StillColour) -> tuple[tuple[float, float], ...]:
    return _PRIMARIES.get(colour.primaries, _PRIMARIES[_BT2020 if colour.is_hdr else _BT709])


def _light(colour: StillColour) -> Floats:
    """Light by value from 0 to 255: in cd/m2 for PQ, of the scene (0 to 1) for HLG, else 0 to 1."""
    v = np.arange(256) / 255
    match colour.transfer:
        case 16:  # SMPTE ST 2084, 5.2
            p = v ** (1 / 78.84375)
            light = 10_000 * (np.maximum(p - 0.8359375, 0) / (18.8515625 - 18.6875 * p)) ** (1 / 0.1593017578125)
        case 18:  # ITU-R BT.2100, table 5
            light = np.where(v <= 0.5, v * v / 3, (np.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        case 8:
            light = v
        case 4 | 5:
            light = v ** _GAMMAS[colour.transfer]
        case _:
            light = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _displayed(scene: Floats, weights: Floats) -> Floats:
    """HLG's light of the scene as cd/m2 of a display of 1,000 cd/m2 (BT.2100: system gamma 1.2, over luminance)."""
    luminance = np.maximum(scene @ weights, 1e-9)[..., None]
    return np.asarray(PEAK_NITS * scene * luminance**0.2, np.float32)


def _toned(light: Floats, headroom: float) -> Floats:
    """Light in units of reference white, toned to at most 1, by the greatest of each pixel's three values."""
    greatest = light.max(axis=2)
    white = 1 - 0.5 * min(np.log2(headroom) / np.log2(PEAK_NITS / WHITE_NITS), 1)
    # A quadratic Bezier curve from (1, white) to (headroom, 1) that continues the line below it.
    middle_x, middle_y = (1 - _KAPPA) + _KAPPA / white, (1 - _KAPPA) * white + _KAPPA
    a, b = 1 - 2 * middle_x + headroom, 2 * middle_x - 2
    above = np.maximum(greatest - 1, 0)
    t = 2 * above / np.maximum(b + np.sqrt(np.maximum(b * b + 4 * a * above, 0)), 1e-9)
    curve = white * (1 - t) ** 2 + 2 * t * (1 - t) * middle_y + t * t
    toned = np.where(greatest <= 1, greatest * white, np.where(greatest >= headroom, 1, curve))
    return np.asarray(light * (toned / np.maximum(greatest, 1e-9))[..., None], np.float32)


def _encoded(light: Floats) -> Floats:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** np.float32(1 / 2.4) - 0.055)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> NDArray[np.float64]:
    """The matrix from linear RGB to CIE XYZ."""
    columns = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
    rgb, white = columns[:, :3], columns[:, 3]
    return np.asarray(rgb * np.linalg.solve(rgb, white))
