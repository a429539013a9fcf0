"""ffmpeg filter chains that turn any source into frames of a film, and two clips into a transition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.compiler.domain.fit import Layout, lay_out
from shared.contracts.values import Fit, Output, TransitionStyle
from shared.media import TAG_BT709

HD_HEIGHT: Final = 720  # untagged video from this height on is BT.709, below BT.601: as browsers take it
_SMALL: Final = 8  # the blurred fill is made at an eighth of the size: as smooth, and nearly free

_HDR_TO_SDR: Final = (
    "zscale=transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=bt709,"
    "tonemap=tonemap=hable:desat=0,zscale=transfer=bt709:matrix=bt709:range=limited,format=yuv420p"
)


@dataclass(frozen=True)
class Source:
    """What the chains must know of a source: size as displayed, colour, and its length in frames of the film."""

    width: int
    height: int
    frames: int
    hdr: bool = False
    matrix_known: bool = False


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
            f"fps={output.fps}:start_time=0:round=near",
            "tpad=stop=-1:stop_mode=clone",
            f"trim=start_frame={first}:end_frame={stop}",
            f"settb=1/{output.fps},setpts=N",
            *((_HDR_TO_SDR,) if source.hdr else ()),
            _laid_out(source, output, tag),
            f"setsar=1,format=yuv420p,{TAG_BT709}",
        )
    )


def _laid_out(source: Source, output: Output, tag: str) -> str:
    layout = lay_out(source.width, source.height, output)
    scaled = _scale(source, layout.width, layout.height)
    match layout.fill:
        case None:
            return f"{scaled},crop={output.width}:{output.height}"
        case Fit.BLUR:
            return _over_blur(source, layout, output, tag)
        case _:
            return f"{scaled},pad={output.width}:{output.height}:-1:-1:black"


def _scale(source: Source, width: int, height: int) -> str:
    matrix = "auto" if source.matrix_known else "bt709" if source.height >= HD_HEIGHT else "smpte170m"
    return f"scale={width}:{height}:flags=bicubic:in_color_matrix={matrix}:out_color_matrix=bt709:out_range=tv"


def _over_blur(source: Source, layout: Layout, output: Output, tag: str) -> str:
    """The picture over a dimmed, blurred enlargement of itself."""
    small = Output(width=max(16, output.width // _SMALL), height=max(16, output.height // _SMALL), fit=Fit.CROP)
    cover = lay_out(source.width, source.height, small)
    blurred = (
        f"{_scale(source, cover.width, cover.height)},crop={small.width}:{small.height},format=yuv420p,"
        f"gblur=sigma={small.height / 22:.2f},lutyuv=y=16+(val-16)*0.6,scale={output.width}:{output.height},setsar=1"
    )
    picture = f"{_scale(source, layout.width, layout.height)},format=yuv420p,setsar=1"
    front, back, under, over = (f"[{name}{tag}]" for name in ("front", "back", "under", "over"))
    return f"split{front}{back};{back}{blurred}{under};{front}{picture}{over};{under}{over}overlay=(W-w)/2:(H-h)/2"


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
