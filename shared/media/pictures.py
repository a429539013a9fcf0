"""Filters that make whole, opaque pictures of what a decoder gives: before anything is scaled or measured."""

from __future__ import annotations

from typing import Final

# RGB stays RGB: turned into YUV here, it would be taken for a source that came as such.
_FLATTEN: Final = "format=yuva444p|yuva444p10le|gbrap,premultiply=inplace=1,format=yuv444p|yuv444p10le|gbrp"


def whole_pictures(*, interlaced: bool, alpha: bool) -> tuple[str, ...]:
    """Fields woven into frames are taken apart, and what shows through is black. None for most sources."""
    return (
        *(("bwdif=mode=send_frame:deint=interlaced",) if interlaced else ()),
        *((_FLATTEN,) if alpha else ()),
    )
