"""Makes progressive, opaque frames of what a decoder gives, before anything is scaled or measured."""

from __future__ import annotations

from shared.media.graphs import Stream


def progressive_opaque(pictures: Stream, *, interlaced: bool, alpha: bool) -> Stream:
    """Deinterlaces interlaced frames and lays transparent ones on black; most sources pass unchanged."""
    if interlaced:
        pictures = pictures.filter("bwdif", mode="send_frame", deint="interlaced")
    if alpha:
        # RGB stays RGB: converted to YUV here, it would be taken for a source that was YUV from the start.
        pictures = pictures.filter("format", pix_fmts="yuva444p|yuva444p10le|gbrap")
        pictures = pictures.filter("premultiply", inplace=1)
        pictures = pictures.filter("format", pix_fmts="yuv444p|yuv444p10le|gbrp")
    return pictures
