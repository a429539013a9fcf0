"""ffmpeg filter chains that turn any source into frames of a film, and two clips into a transition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.compiler.planning.frame_layout import FrameLayout, lay_out
from shared.contracts.values import Fit, Output, TransitionStyle
from shared.media.colour import Colour, scale, through_light
from shared.media.pictures import whole_pictures
from shared.media.probe import TAG_BT709

_SMALL: Final = 8  # the blurred fill is made at an eighth of the size: as smooth, and nearly free
_DIMMED: Final = "lutyuv=y=16+(val-16)*0.6:u=128+(val-128)*0.6:v=128+(val-128)*0.6"  # 60% of the signal, hues kept


@dataclass(frozen=True)
class Source:
    """What the chains must know of a source: size as displayed, its length in frames of the film, its colours.

    `shift_s` is taken from its pictures' times, so that the first one is shown when a frame of the film begins.
    """

    width: int
    height: int
    frames: int
    colour: Colour
    alpha: bool = False
    interlaced: bool = False
    turned: bool = False  # the file asks for its pictures to be turned or mirrored; ffmpeg does
    decoder: tuple[str, ...] = ()  # input options: a decoder other than ffmpeg's first choice
    shift_s: float = 0.0


@dataclass(frozen=True)
class Span:
    """Frames [start, stop) of a source at the film's rate, decoded from frame `seek` on."""

    start: int
    stop: int
    seek: int = 0


def frames_of(source: Source, span: Span, output: Output, tag: str = "") -> str:
    """A chain from the decoded source to exactly these frames, in the film's size, rate and colour, from pts 0.

    The rate filter counts from the source's first instant, also after a seek, so that one frame number always is one
    picture; a source that ends early stands still on its last frame. `tag` keeps the inner labels of two chains in one
    graph apart.
    """
    first, stop = span.start - span.seek, span.stop - span.seek
    return ",".join(
        (
            *((f"setpts=PTS-{source.shift_s:.6f}/TB",) if source.shift_s else ()),
            *whole_pictures(interlaced=source.interlaced, alpha=source.alpha),
            f"fps={output.fps}:start_time=0:round=near",
            "tpad=stop=-1:stop_mode=clone",
            f"trim=start_frame={first}:end_frame={stop}",
            f"settb=1/{output.fps},setpts=N",
            _laid_out(source, output, tag),
            f"setsar=1,format=yuv420p,{TAG_BT709}",
        )
    )


def _laid_out(source: Source, output: Output, tag: str) -> str:
    layout = lay_out(source.width, source.height, output)
    scaled = scale(source.colour, source.height, layout.width, layout.height)
    converted = ",".join((*through_light(source.colour, source.height), "format=yuv420p,setsar=1"))
    match layout.fill:
        case None:
            return f"{scaled},crop={output.width}:{output.height},{converted}"
        case Fit.BLUR:
            return f"{scaled},{converted},{_over_blur(layout, output, tag)}"
        case _:
            return f"{scaled},{converted},pad={output.width}:{output.height}:-1:-1:black"


def _over_blur(layout: FrameLayout, output: Output, tag: str) -> str:
    """The picture over a dimmed, blurred enlargement of itself."""
    small = Output(width=max(16, output.width // _SMALL), height=max(16, output.height // _SMALL), fit=Fit.CROP)
    cover = lay_out(layout.width, layout.height, small)
    blurred = (
        f"scale={cover.width}:{cover.height}:flags=area,crop={small.width}:{small.height},"
        f"gblur=sigma={small.height / 22:.2f},{_DIMMED},scale={output.width}:{output.height},setsar=1"
    )
    front, back, under = (f"[{name}{tag}]" for name in ("front", "back", "under"))
    return f"split{front}{back};{back}{blurred}{under};{under}{front}overlay=(W-w)/2:(H-h)/2"


def blend(style: TransitionStyle, overlap: int, fps: int) -> str:
    """From [left] (the overlap's frames of the left clip) and [right] (all of the window's frames) to [out].

    Dissolve: the left picture alone at the first frame, 1/overlap of it at the last. Fade: down to black in the first
    half of the overlap, where the left clip is seen, and up again in the second, where the right one is.
    """
    match style:
        case TransitionStyle.DISSOLVE:
            return f"[left][right]xfade=transition=fade:duration={overlap / fps:.9f}:offset=0[out]"
        case TransitionStyle.FADE:
            down, up = overlap // 2, overlap - overlap // 2
            return (
                f"[left]trim=end_frame={down},fade=t=out:start_frame=0:nb_frames={down}[down];"
                f"[right]trim=start_frame={down},setpts=N,fade=t=in:start_frame=0:nb_frames={up}[up];"
                "[down][up]concat=n=2:v=1[out]"
            )
        case TransitionStyle.CUT:
            raise ValueError("a cut has no window")
