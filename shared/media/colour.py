"""Any source's colours as BT.709 SDR, limited range: which filters that takes, by what the source says of itself.

Code points are those of ISO/IEC 23091-2, as ffmpeg and PyAV number them. Most sources need a change of matrix and
range only, which the scaler does on its way. Other primaries (BT.601, Display P3, BT.2020) and HDR (PQ, HLG) take a
second step in floating-point light, after scaling, when there are fewer pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HD_HEIGHT: Final = 720  # untagged video from this height on is BT.709, below BT.601: as browsers take it

_PQ: Final = 16  # SMPTE ST 2084
_HLG: Final = 18  # ARIB STD-B67
_BT709: Final = 1
_SMPTE170M: Final = 6
_BT2020: Final = 9

# The scaler's names of the matrices it knows; zscale takes the code points themselves.
_MATRICES: Final = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}
_OTHER_PRIMARIES: Final = {4, 5, 6, 7, _BT2020, 11, 12}  # BT.470 M and B/G, SMPTE 170M and 240M, BT.2020, DCI and P3

WHITE_NITS: Final = 203  # of HDR's reference white (ITU-R BT.2408), which becomes 1.0 of the light below
PEAK_NITS: Final = 1000  # HLG's nominal peak, and what most PQ is graded for; what is brighter becomes white
KNEE: Final = 0.3
"""Light up to here (faces, rooms) keeps its brightness, above it the curve bends: white paper lands at 85% of the
signal, as SDR cameras put it, and lamps keep their shape up to the peak."""


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
        """True if a change of matrix is not enough."""
        return self.is_hdr or self.primaries in _OTHER_PRIMARIES


FILM: Final = Colour(1, 1, 1)  # BT.709 throughout


def matrix_of(colour: Colour, height: int) -> int:
    """The source's matrix, guessed as players do where the source does not tell."""
    if colour.matrix in _MATRICES:
        return colour.matrix
    if colour.is_hdr or colour.primaries == _BT2020:
        return _BT2020
    return _BT709 if height >= HD_HEIGHT else _SMPTE170M


def scale(colour: Colour, source_height: int, width: int, height: int) -> str:
    """Scaled, in limited range; in the BT.709 matrix unless `through_light` is still to come."""
    matrix = _MATRICES[matrix_of(colour, source_height)]
    # Two more bits than a film has, so that what follows does not band.
    target, after = (matrix, ",format=yuv420p10le") if colour.needs_light else ("bt709", "")
    return (
        f"scale={width}:{height}:flags=bicubic:in_color_matrix={matrix}:out_color_matrix={target}:out_range=tv{after}"
    )


def through_light(colour: Colour, source_height: int) -> list[str]:
    """Filters from a scaled source to BT.709 SDR; none for most."""
    if not colour.needs_light:
        return []
    # Every property is named: a source that tells only its transfer must not stop the filter.
    primaries = colour.primaries if colour.primaries in (_BT709, *_OTHER_PRIMARIES) else _BT2020
    given = f"min={matrix_of(colour, source_height)}:pin={primaries}:rin=limited"
    sdr = "p=709:m=709:r=limited:t=709:dither=ordered,format=yuv420p"
    if not colour.is_hdr:
        return [f"zscale={given}:tin=709:{sdr}"]
    return [
        # Without agamma=0 HLG's system gamma would be taken of each colour by itself: everything too gaudy.
        f"zscale={given}:tin={colour.transfer}:t=linear:npl={WHITE_NITS}:agamma=0,format=gbrpf32le",
        "zscale=p=709",
        f"tonemap=tonemap=mobius:param={KNEE}:desat=0:peak={PEAK_NITS / WHITE_NITS:.4f}",
        f"zscale={sdr}",
    ]
