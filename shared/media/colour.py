"""Converts any source's colours to BT.709 SDR in limited range, by what the source says about itself.

Code points are those of ISO/IEC 23091-2, as ffmpeg and PyAV number them. Most sources only need another matrix and
range, which the scaler applies as it scales. Other primaries (BT.601, Display P3, BT.2020) and HDR (PQ, HLG) need a
second step in linear light, which comes after scaling, when there are fewer pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.media.graphs import Stream

HD_HEIGHT: Final = 720  # untagged video is BT.709 from this height on and BT.601 below it, as in browsers

_PQ: Final = 16  # SMPTE ST 2084
_HLG: Final = 18  # ARIB STD-B67
_BT709: Final = 1
_SMPTE170M: Final = 6
_SRGB: Final = 13  # IEC 61966-2-1
_DISPLAY_CURVES: Final = (4, 5, _SRGB)  # gamma 2.2 and 2.8, and sRGB: of pictures as displayed, not of a camera
_BT2020: Final = 9

# The scaler's names for the matrices it knows; zscale takes the code points themselves.
_MATRICES: Final = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}
_OTHER_PRIMARIES: Final = {4, 5, 6, 7, _BT2020, 11, 12}  # BT.470 M and B/G, SMPTE 170M and 240M, BT.2020, DCI and P3

WHITE_NITS: Final = 203  # HDR's reference white (ITU-R BT.2408), which becomes 1.0 in linear light
PEAK_NITS: Final = 1000  # HLG's nominal peak, and what most PQ is graded for; anything brighter becomes white
KNEE: Final = 0.3
"""Linear light up to here (faces, rooms) keeps its brightness; above it the curve bends. White paper then lands at 85%
of the signal, as with SDR cameras, and lamps keep their shape up to the peak."""


@dataclass(frozen=True)
class Colour:
    """A source's code points; 2 is "unspecified"."""

    matrix: int = 2
    transfer: int = 2
    primaries: int = 2

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (_PQ, _HLG)

    @property
    def needs_light(self) -> bool:
        """True if another matrix is not enough."""
        return self.is_hdr or self.primaries in _OTHER_PRIMARIES


FILM: Final = Colour(1, 1, 1)  # BT.709 throughout


def matrix_of(colour: Colour, height: int) -> int:
    """The source's matrix, or the one that players assume for an untagged source."""
    if colour.matrix in _MATRICES:
        return colour.matrix
    if colour.is_hdr or colour.primaries == _BT2020:
        return _BT2020
    return _BT709 if height >= HD_HEIGHT else _SMPTE170M


def scaled(pictures: Stream, colour: Colour, source_height: int, width: int, height: int) -> Stream:
    """Scaled to `width` x `height` pixels in limited range; in the BT.709 matrix unless `to_bt709` has to follow."""
    matrix = _MATRICES[matrix_of(colour, source_height)]
    pictures = pictures.filter(
        "scale",
        w=width,
        h=height,
        flags="bicubic",
        in_color_matrix=matrix,
        out_color_matrix=matrix if colour.needs_light else "bt709",
        out_range="tv",
    )
    # Two more bits than a film has, so that the conversion in linear light does not cause banding.
    return pictures.filter("format", pix_fmts="yuv420p10le") if colour.needs_light else pictures


def to_bt709(pictures: Stream, colour: Colour, source_height: int) -> Stream:
    """A scaled source in BT.709 SDR; most are already there."""
    if not colour.needs_light:
        return pictures
    # Every property is named: a source that only declares its transfer must not stop the filter.
    primaries = colour.primaries if colour.primaries in (_BT709, *_OTHER_PRIMARIES) else _BT2020
    given: dict[str, str | float] = {"min": matrix_of(colour, source_height), "pin": primaries, "rin": "limited"}
    sdr: dict[str, str | float] = {"p": 709, "m": 709, "r": "limited", "t": 709, "dither": "ordered"}
    if not colour.is_hdr:
        curve = colour.transfer if colour.transfer in _DISPLAY_CURVES else _BT709
        # Players show BT.709 as sRGB, so what is made for displays keeps its values.
        sdr["t"] = curve if curve == _BT709 else _SRGB
        return pictures.filter("zscale", **given, tin=curve, **sdr).filter("format", pix_fmts="yuv420p")
    # Without agamma=0 HLG's system gamma would be applied to each channel separately, which oversaturates everything.
    light = pictures.filter("zscale", **given, tin=colour.transfer, t="linear", npl=WHITE_NITS, agamma=0)
    light = light.filter("format", pix_fmts="gbrpf32le").filter("zscale", p=709)
    light = light.filter("tonemap", tonemap="mobius", param=KNEE, desat=0, peak=f"{PEAK_NITS / WHITE_NITS:.4f}")
    return light.filter("zscale", **sdr).filter("format", pix_fmts="yuv420p")
