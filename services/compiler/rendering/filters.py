"""Filter graphs that turn any source into frames of a film, and two clips into a transition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.compiler.planning.frame_layout import FrameLayout, lay_out
from shared.contracts.frame_rates import Rate
from shared.contracts.values import Fit, Output, TransitionStyle
from shared.media.colour import Colour, scaled, to_bt709
from shared.media.conform import tag_bt709
from shared.media.frames import progressive_opaque
from shared.media.graphs import Stream, joined, split
from shared.media.sandbox import Option

_BLUR_REDUCTION: Final = 8  # the blurred fill is made at an eighth of the size: just as smooth, and nearly free
_DIM_LUMA: Final = "16+(val-16)*0.6"  # 60 % of the signal
_DIM_CHROMA: Final = "128+(val-128)*0.6"  # the same, keeping the hue


@dataclass(frozen=True)
class SourceVideo:
    """What the graphs need to know of a source: size as displayed, length in frames of the film, colours.

    `turned`: the file asks for its pictures to be rotated or mirrored, which ffmpeg does. `shift_s` is subtracted from
    the pictures' times, so that the first one is shown when a frame of the film begins. `input_options` are for
    ffmpeg's input, such as another decoder.
    """

    width: int
    height: int
    frames: int
    colour: Colour
    alpha: bool = False
    interlaced: bool = False
    turned: bool = False
    input_options: Mapping[str, Option] = field(default_factory=dict)
    shift_s: float = 0.0


@dataclass(frozen=True)
class Span:
    """Frames [start, stop) of a source at the film's rate; decoding starts at frame `seek`."""

    start: int
    stop: int
    seek: int = 0


def film_frames(pictures: Stream, source: SourceVideo, span: Span, output: Output) -> Stream:
    """From decoded pictures to exactly the frames of `span`, in the film's size, rate and colour, from pts 0.

    The rate filter counts from the source's first instant, also after a seek, so that a frame number always means the
    same picture; a source that ends early repeats its last frame.
    """
    first, stop = span.start - span.seek, span.stop - span.seek
    if source.shift_s:
        pictures = pictures.filter("setpts", expr=f"PTS-{source.shift_s:.6f}/TB")
    pictures = progressive_opaque(pictures, interlaced=source.interlaced, alpha=source.alpha)
    pictures = pictures.filter("fps", fps=str(output.rate), start_time=0, round="near")
    pictures = pictures.filter("tpad", stop=-1, stop_mode="clone")
    pictures = pictures.filter("trim", start_frame=first, end_frame=stop)
    pictures = pictures.filter("settb", expr=str(1 / output.rate)).filter("setpts", expr="N")
    pictures = _laid_out(pictures, source, output)
    return tag_bt709(pictures.filter("setsar", sar=1).filter("format", pix_fmts="yuv420p"))


def _laid_out(pictures: Stream, source: SourceVideo, output: Output) -> Stream:
    """Scaled into the film's frame: cropped, or with black or blurred margins."""
    layout = lay_out(source.width, source.height, output)
    pictures = scaled(pictures, source.colour, source.height, layout.width, layout.height)
    if layout.fill is None:
        pictures = pictures.filter("crop", w=output.width, h=output.height)
    pictures = to_bt709(pictures, source.colour, source.height)
    pictures = pictures.filter("format", pix_fmts="yuv420p").filter("setsar", sar=1)
    match layout.fill:
        case None:
            return pictures
        case Fit.BLUR:
            return _over_blur(pictures, layout, output)
        case _:
            return pictures.filter("pad", w=output.width, h=output.height, x=-1, y=-1, color="black")


def _over_blur(pictures: Stream, layout: FrameLayout, output: Output) -> Stream:
    """The pictures over a dimmed, blurred enlargement of themselves."""
    small = Output(
        width=max(16, output.width // _BLUR_REDUCTION), height=max(16, output.height // _BLUR_REDUCTION), fit=Fit.CROP
    )
    cover = lay_out(layout.width, layout.height, small)
    front, back = split(pictures, 2)
    back = back.filter("scale", w=cover.width, h=cover.height, flags="area")
    back = back.filter("crop", w=small.width, h=small.height)
    back = back.filter("gblur", sigma=f"{small.height / 22:.2f}")
    back = back.filter("lutyuv", y=_DIM_LUMA, u=_DIM_CHROMA, v=_DIM_CHROMA)
    back = back.filter("scale", w=output.width, h=output.height).filter("setsar", sar=1)
    return joined([back, front], "overlay", x="(W-w)/2", y="(H-h)/2")


def blend(left: Stream, right: Stream, style: TransitionStyle, overlap: int, fps: Rate) -> Stream:
    """The window of a transition. `left`: the `overlap` frames of the left clip; `right`: all frames of the window.

    Dissolve: the left picture alone at the first frame, 1/overlap of it at the last. Fade: down to black in the first
    half of the overlap, which shows the left clip, and up again in the second half, which shows the right one.
    """
    match style:
        case TransitionStyle.DISSOLVE:
            return joined([left, right], "xfade", transition="fade", duration=f"{overlap / float(fps):.9f}", offset=0)
        case TransitionStyle.FADE:
            down, up = overlap // 2, overlap - overlap // 2
            left = left.filter("trim", end_frame=down).filter("fade", t="out", start_frame=0, nb_frames=down)
            right = right.filter("trim", start_frame=down).filter("setpts", expr="N")
            right = right.filter("fade", t="in", start_frame=0, nb_frames=up)
            return joined([left, right], "concat", n=2, v=1)
        case TransitionStyle.CUT:
            raise ValueError("a cut has no window")
