"""Renders pieces with ffmpeg: conformed clips, transition windows, posters."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.compiler.planning.film_plan import Window
from services.compiler.planning.pieces import fine_end
from services.compiler.rendering.filters import Source, Span, blend, frames_of
from services.compiler.rendering.mp4.samples import VideoIndex, read_video_index
from shared.contracts.values import Output
from shared.core.errors import Permanent
from shared.media import ffmpeg
from shared.media import probe as media
from shared.media.colour import FILM, Colour

CLIP_CRF: Final = 20
# Second generations, which must not be seen beside copied parts. Windows have few frames: with this preset they are
# half as large again, and rendered in three quarters of the time.
WINDOW_CRF: Final = 14
_WINDOW_PRESET: Final = "superfast"
CAPTIONED_CRF: Final = 16
_NO_GLYPH: Final = re.compile(r"failed to find any fallback with glyph 0x([0-9A-Fa-f]{1,6})\b")
_SEEK_FROM_S: Final = 2.0  # a shorter way is decoded from the start: seeking would not be faster

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Rendered:
    """A finished piece. `copied`: its source already was what a conformed clip is.

    `undrawn`: characters of its captions that no font of this machine has, which are shown as boxes.
    """

    path: Path
    index: VideoIndex
    copied: bool = False
    undrawn: str = ""


@dataclass(frozen=True)
class End:
    """One side of a transition: a clip's file or its source's, and the number of frames that the clip has."""

    path: Path
    frames: int
    conformed: bool = False


class VideoRenderer:
    """`timeout_per_s`: how long ffmpeg may take for one second of film before it counts as hung."""

    def __init__(self, *, timeout_per_s: float = 60.0) -> None:
        self._timeout_per_s = timeout_per_s
        self._extradata: dict[media.Output, bytes] = {}

    async def encoder(self, output: Output, scratch: Path) -> str:
        """Names the parameter sets that this ffmpeg writes for an output: part of every piece's key."""
        return hashlib.sha256(await self.extradata(output, scratch)).hexdigest()[:16]

    async def extradata(self, output: Output, scratch: Path) -> bytes:
        """The avcC of every piece of this output, by encoding one frame; remembered."""
        frame = _frame(output)
        if frame not in self._extradata:
            path = scratch / f"extradata-{frame.width}x{frame.height}-{frame.fps}.mp4"
            args = ["-f", "lavfi", "-i", f"color=size={frame.width}x{frame.height}:rate={frame.fps}"]
            args += ["-vf", f"format=yuv420p,{media.TAG_BT709}", *media.conformed_video_args(frame, 1), str(path)]
            await ffmpeg.run_ffmpeg(args, timeout_s=self._timeout_per_s)
            self._extradata[frame] = (await asyncio.to_thread(read_video_index, path, frame.fps)).extradata
            path.unlink()
        return self._extradata[frame]

    async def conform(
        self, source: Path, output: Output, path: Path, *, on_progress: Progress | None = None, niceness: int = 0
    ) -> Rendered:
        """The source in the film's size, rate and encoding; copied if it is that already.

        Raises Permanent when the source is no video or cannot be decoded, Retryable when ffmpeg was killed or late.
        """
        known = await asyncio.to_thread(survey, source, output)
        if copied := await self._copy(source, known, output, path):
            return copied
        span = Span(0, known.frames)
        args = ffmpeg.media_input(source, *known.decoder)
        args += ["-filter_complex", f"[0:V:0]{frames_of(known, span, output)}[out]", "-map", "[out]"]
        args += media.conformed_video_args(_frame(output), known.frames, crf=CLIP_CRF, fine_ends=fine_end(output.fps))
        return await self._run(args, known.frames, output, path, on_progress, niceness)

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
        args: list[str] = []
        chains: list[str] = []
        for number, (name, end, wanted) in enumerate((("left", left, tail), ("right", right, head))):
            known, span, options = await _opened(end, wanted, output)
            args += ffmpeg.media_input(end.path, *options)
            chains.append(f"[{number}:V:0]{frames_of(known, span, output, name)}[{name}]")
        graph = ";".join((*chains, blend(window.style, window.overlap, output.fps)))
        args += ["-filter_complex", graph, "-map", "[out]"]
        args += media.conformed_video_args(
            _frame(output), window.head, preset=_WINDOW_PRESET, crf=WINDOW_CRF, cuttable=False
        )
        return await self._run(args, window.head, output, path, on_progress, niceness)

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
        """Frames of a conformed piece with the captions of an ASS file drawn on them; its times count from the first.

        It is a second generation, too.
        """
        frames = span.stop - span.start
        # Half a frame early: the first frame that is decoded and kept is `start`, however the time was rounded.
        seek = ("-ss", f"{(span.start - 0.5) / output.fps:.6f}") if span.start else ()
        draw = f"settb=1/{output.fps},setpts=N,trim=end_frame={frames},ass=filename={ffmpeg.filter_value(str(script))}"
        args = [*ffmpeg.media_input(pictures, *seek), "-filter_complex", f"[0:V:0]{draw},{media.TAG_BT709}[out]"]
        args += ["-map", "[out]"]
        args += media.conformed_video_args(_frame(output), frames, crf=CAPTIONED_CRF, cuttable=False)
        return await self._run(args, frames, output, path, on_progress, niceness)

    async def poster(self, clip: Path, at_s: float, path: Path) -> None:
        """One frame of a conformed clip as JPEG."""
        args = ffmpeg.media_input(clip, "-ss", f"{at_s:.3f}")
        await ffmpeg.run_ffmpeg([*args, "-frames:v", "1", "-q:v", "3", "-f", "image2", str(path)], timeout_s=60)

    async def _copy(self, source: Path, known: Source, output: Output, path: Path) -> Rendered | None:
        if known.turned or (known.width, known.height) != (output.width, output.height):
            return None
        expected = await self.extradata(output, path.parent)
        try:
            index = await asyncio.to_thread(read_video_index, source, output.fps)
        except Permanent:
            return None
        if index.extradata != expected or index.frames != known.frames:
            return None
        await asyncio.to_thread(shutil.copyfile, source, path)
        return Rendered(path, index, copied=True)

    async def _run(
        self,
        args: list[str],
        frames: int,
        output: Output,
        path: Path,
        on_progress: Progress | None,
        niceness: int,
    ) -> Rendered:
        """Run, then hold what came out against what was asked: a film has no room for a frame more or less."""
        seconds = frames / output.fps
        said = await ffmpeg.run_ffmpeg(
            [*args, str(path)],
            timeout_s=60 + self._timeout_per_s * seconds,
            duration_s=seconds,
            on_progress=on_progress,
            niceness=niceness,
        )
        index = await asyncio.to_thread(read_video_index, path, output.fps)
        if index.frames != frames:
            raise Permanent("wrong_frame_count", f"{index.frames} frames were rendered where {frames} were asked for")
        if index.extradata != await self.extradata(output, path.parent):
            raise Permanent("pieces_differ", "the encoder wrote other parameter sets than before")
        return Rendered(path, index, undrawn=_undrawn(said))


def survey(path: Path, output: Output) -> Source:
    """What the filter chains must know of a source. Blocks: call it in a thread."""
    found = media.probe(path)
    if not found.width or not found.height or not found.frames:
        raise Permanent("no_video", "The file holds no video.", "Regenerate the segment's video.")
    early = (found.first_s - found.shift_s) % (1 / output.fps)
    return Source(
        found.width,
        found.height,
        _frame(output).frames(found.duration_s - early),
        Colour(*found.colour),
        alpha=found.alpha,
        interlaced=found.interlaced,
        turned=found.turned,
        decoder=found.decoder,
        shift_s=found.shift_s + early,
    )


async def _opened(end: End, wanted: Span, output: Output) -> tuple[Source, Span, tuple[str, ...]]:
    """One side of a transition, what of it is decoded, and the input options for that."""
    if end.conformed:
        # Of the few frames from its keyframe there, more threads would decode more than are wanted.
        known = Source(output.width, output.height, end.frames, FILM, decoder=("-threads", "1"))
        span, late = Span(wanted.start, wanted.stop, wanted.start), 0.01  # of a frame, so that rounding never misses it
    else:
        known = await asyncio.to_thread(survey, end.path, output)
        span, late = _sought(wanted, output), 0.0
    seek = ("-noaccurate_seek", "-ss", f"{(span.seek + late) / output.fps:.6f}") if span.seek else ()
    return known, span, (*known.decoder, *seek)


def _undrawn(said: str) -> str:
    """libass tells of each glyph that it looked for in vain."""
    codes = dict.fromkeys(int(found, 16) for found in _NO_GLYPH.findall(said))
    return "".join(chr(code) for code in codes if code <= sys.maxunicode)


def _frame(output: Output) -> media.Output:
    return media.Output(output.width, output.height, output.fps)


def _sought(span: Span, output: Output) -> Span:
    """A source is decoded from a second before the first frame that is needed."""
    seek = span.start - output.fps
    return Span(span.start, span.stop, seek) if seek > _SEEK_FROM_S * output.fps else span
