"""Renders video pieces with ffmpeg: conformed clips, transition windows, burned captions, posters."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.compiler.planning.film_plan import Window
from services.compiler.planning.pieces import fine_end
from services.compiler.rendering.filters import SourceVideo, Span, blend, film_frames
from services.compiler.rendering.mp4.samples import VideoIndex
from services.compiler.rendering.sources import probed, surveyed, video_index
from shared.contracts.frame_rates import nominal_rate
from shared.contracts.messages import problem_text
from shared.contracts.values import Output
from shared.core.errors import Permanent
from shared.media import graphs
from shared.media.colour import FILM, Colour
from shared.media.conform import VideoFormat, conformed_video, tag_bt709
from shared.media.ffmpeg import run_ffmpeg
from shared.media.fonts import cjk_font
from shared.media.graphs import Stream
from shared.media.probe import Probe
from shared.media.sandbox import Option

CLIP_CRF: Final = 20
# Second generations, which must not look worse than the copied frames next to them. Windows have few frames: this
# preset makes them half as large again, and renders them in three quarters of the time.
WINDOW_CRF: Final = 14
_WINDOW_PRESET: Final = "superfast"
CAPTIONED_CRF: Final = 16
_NO_GLYPH: Final = re.compile(r"failed to find any fallback with glyph 0x([0-9A-Fa-f]{1,6})\b")
_SEEK_FROM_S: Final = 2.0  # closer than this to the start, seeking would not be faster than decoding

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Rendered:
    """A finished piece. `copied`: its source already was a conformed clip.

    `undrawn`: characters of its captions that no font on this machine has; they are shown as boxes.
    """

    path: Path
    index: VideoIndex
    copied: bool = False
    undrawn: str = ""


@dataclass(frozen=True)
class End:
    """One side of a transition: the file of a conformed clip or of its source, and the clip's number of frames."""

    path: Path
    frames: int
    conformed: bool = False


class VideoRenderer:
    """`timeout_per_s`: how many seconds ffmpeg may take for one second of film before it is stopped."""

    def __init__(self, *, timeout_per_s: float = 60.0) -> None:
        self._timeout_per_s = timeout_per_s
        self._extradata: dict[VideoFormat, bytes] = {}

    async def encoder(self, output: Output, scratch: Path) -> str:
        """Identifies the parameter sets that this ffmpeg writes for an output: part of every piece's key."""
        return hashlib.sha256(await self.extradata(output, scratch)).hexdigest()[:16]

    async def extradata(self, output: Output, scratch: Path) -> bytes:
        """The avcC box that all pieces of this output share, found by encoding one frame; cached."""
        frame = _format(output)
        if frame not in self._extradata:
            path = scratch / f"extradata-{frame.width}x{frame.height}-{float(frame.fps):.3f}.mp4"
            black = graphs.generated("color", size=f"{frame.width}x{frame.height}", rate=str(frame.fps))
            encoded = tag_bt709(black.filter("format", pix_fmts="yuv420p"))
            args = graphs.arguments(encoded.output(str(path), **conformed_video(frame, 1)))
            await run_ffmpeg(args, timeout_s=self._timeout_per_s)
            self._extradata[frame] = (await video_index(path, frame.fps)).extradata
            path.unlink()
        return self._extradata[frame]

    async def conform(
        self, source: Path, output: Output, path: Path, *, on_progress: Progress | None = None, niceness: int = 0
    ) -> Rendered:
        """The source in the film's size, rate and encoding; copied if it is conformed already.

        Raises Permanent when the source has no video or cannot be decoded, Retryable when ffmpeg was killed or late.
        """
        found, index = await surveyed(source, output)
        known = source_video(found, output)
        if index and (copied := await self._copy(source, index, known, output, path)):
            return copied
        span = Span(0, known.frames)
        pictures = graphs.moving_pictures(graphs.media_file(source, known.input_options))
        encoding = conformed_video(_format(output), known.frames, crf=CLIP_CRF, fine_ends=fine_end(output.rate))
        frames = film_frames(pictures, known, span, output)
        return await self._encode(frames, encoding, known.frames, output, path, on_progress, niceness)

    async def window(
        self,
        left: End,
        right: End,
        window: Window,
        output: Output,
        path: Path,
        *,
        on_progress: Progress | None = None,
        niceness: int = 0,
    ) -> Rendered:
        """A transition between the ends of two clips, or of their sources."""
        tail = Span(left.frames - window.overlap, left.frames)
        head = Span(0, window.head)
        sides: list[Stream] = []
        for end, wanted in ((left, tail), (right, head)):
            known, span, options = await _opened(end, wanted, output)
            pictures = graphs.moving_pictures(graphs.media_file(end.path, options, again=bool(sides)))
            sides.append(film_frames(pictures, known, span, output))
        frames = blend(sides[0], sides[1], window.style, window.overlap, output.rate)
        encoding = conformed_video(_format(output), window.head, preset=_WINDOW_PRESET, crf=WINDOW_CRF, cuttable=False)
        return await self._encode(frames, encoding, window.head, output, path, on_progress, niceness)

    async def captioned(
        self,
        pictures: Path,
        span: Span,
        script: Path,
        output: Output,
        path: Path,
        *,
        on_progress: Progress | None = None,
        niceness: int = 0,
    ) -> Rendered:
        """Frames of a conformed piece with the captions of an ASS file drawn on them: a second generation, too.

        The script's times count from the span's first frame. Next to it lies the folder `fonts`, if it has any.
        """
        count = span.stop - span.start
        # Half a frame early, so that the first decoded frame that is kept is `start`, however the time was rounded.
        seek: dict[str, Option] = {"ss": f"{(span.start - 0.5) / float(output.rate):.6f}"} if span.start else {}
        frames = graphs.moving_pictures(graphs.media_file(pictures, seek))
        frames = frames.filter("settb", expr=str(1 / output.rate)).filter("setpts", expr="N")
        frames = tag_bt709(
            frames.filter("trim", end_frame=count).filter(
                "ass", filename=str(script), fontsdir=str(script.with_name("fonts"))
            )
        )
        encoding = conformed_video(_format(output), count, crf=CAPTIONED_CRF, cuttable=False)
        packaged = cjk_font()  # to which the folder has a link
        fonts = (packaged,) if packaged else ()
        return await self._encode(frames, encoding, count, output, path, on_progress, niceness, fonts)

    async def poster(self, clip: Path, at_s: float, path: Path) -> None:
        """One frame of a conformed clip as JPEG."""
        frame = graphs.media_file(clip, {"ss": f"{at_s:.3f}"})
        jpeg = frame.output(str(path), format="image2", **{"frames:v": 1, "q:v": 3})
        await run_ffmpeg(graphs.arguments(jpeg), timeout_s=60)

    async def _copy(
        self, source: Path, index: VideoIndex, known: SourceVideo, output: Output, path: Path
    ) -> Rendered | None:
        if index.frames != known.frames or index.extradata != await self.extradata(output, path.parent):
            return None
        await asyncio.to_thread(shutil.copyfile, source, path)
        return Rendered(path, index, copied=True)

    async def _encode(
        self,
        pictures: Stream,
        encoding: Mapping[str, Option],
        frames: int,
        output: Output,
        path: Path,
        on_progress: Progress | None,
        niceness: int,
        fonts: Sequence[Path] = (),
    ) -> Rendered:
        """Encodes, then checks the result: one frame more or less would shift the whole film.

        Raises Permanent `wrong_frame_count` or `pieces_differ`, and what `run_ffmpeg` raises.
        """
        seconds = frames / float(output.rate)
        stderr_text = await run_ffmpeg(
            graphs.arguments(pictures.output(str(path), **encoding)),
            timeout_s=60 + self._timeout_per_s * seconds,
            duration_s=seconds,
            on_progress=on_progress,
            niceness=niceness,
            folder=path.parent,
            reads=fonts,
        )
        index = await video_index(path, output.rate)
        if index.frames != frames:
            raise Permanent("wrong_frame_count", f"{index.frames} frames were rendered instead of {frames}")
        if index.extradata != await self.extradata(output, path.parent):
            raise Permanent("pieces_differ", "the encoder wrote other parameter sets than before")
        return Rendered(path, index, undrawn=_undrawn(stderr_text))


def source_video(found: Probe, output: Output) -> SourceVideo:
    """What the filter graphs need to know of a source. Raises Permanent `no_video`."""
    if not found.width or not found.height or not found.frames:
        raise Permanent("no_video", *problem_text("segment_no_video"))
    early = (found.first_s - found.shift_s) % (1 / float(output.rate))
    return SourceVideo(
        found.width,
        found.height,
        _format(output).frames(found.duration_s - early),
        Colour(*found.colour),
        alpha=found.alpha,
        interlaced=found.interlaced,
        turned=found.turned,
        input_options=found.input_options,
        shift_s=found.shift_s + early,
    )


async def _opened(end: End, wanted: Span, output: Output) -> tuple[SourceVideo, Span, dict[str, Option]]:
    """One side of a transition, the span of it that is decoded, and the input options for that."""
    if end.conformed:
        # Only the few frames after its keyframe are needed: more threads would decode more than those.
        known = SourceVideo(output.width, output.height, end.frames, FILM, input_options={"threads": 1})
        span, late = Span(wanted.start, wanted.stop, wanted.start), 0.01  # frames, so that rounding never misses one
    else:
        known = source_video(await probed(end.path), output)
        span, late = _sought(wanted, output), 0.0
    options = dict(known.input_options)
    if span.seek:
        options |= {"noaccurate_seek": None, "ss": f"{(span.seek + late) / float(output.rate):.6f}"}
    return known, span, options


def _undrawn(stderr_text: str) -> str:
    """The characters that libass reports as missing from every font."""
    codes = dict.fromkeys(int(found, 16) for found in _NO_GLYPH.findall(stderr_text))
    return "".join(chr(code) for code in codes if code <= sys.maxunicode)


def _format(output: Output) -> VideoFormat:
    return VideoFormat(output.width, output.height, output.rate)


def _sought(span: Span, output: Output) -> Span:
    """Decoding starts a second before the first frame that is needed."""
    seek = span.start - nominal_rate(output.rate)
    return Span(span.start, span.stop, seek) if seek > _SEEK_FROM_S * float(output.rate) else span
