"""Lays out a film's bytes: a head that is written here, then slices of the pieces' files in playing order."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from services.compiler.planning.chapters import FilmChapter
from services.compiler.planning.sound_plan import RATE
from services.compiler.rendering.mp4 import boxes
from services.compiler.rendering.mp4.samples import AAC_FRAME, VideoIndex
from shared.contracts.frame_rates import Rate, frame_ticks
from shared.contracts.values import Output
from shared.core.errors import Permanent


@dataclass(frozen=True)
class VideoRun:
    """Frames [start, stop) of a piece; `start` is a keyframe."""

    path: Path
    index: VideoIndex
    start: int
    stop: int


@dataclass(frozen=True)
class Packets:
    """A file of bare AAC packets, back to back."""

    path: Path
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Line:
    """A caption shown from `start` until `end`, in milliseconds."""

    start: int
    end: int
    text: str


class Slice(NamedTuple):
    """A range of bytes in a file. Before neighbours are merged, a film has about a hundred of them per second."""

    path: Path
    offset: int
    size: int


@dataclass(frozen=True)
class FilmLayout:
    """`head` (ftyp, moov and the mdat header), then the slices: the whole film, playable from its first byte on."""

    head: bytes
    slices: tuple[Slice, ...]

    @property
    def size(self) -> int:
        return len(self.head) + sum(s.size for s in self.slices)


@dataclass(frozen=True)
class _Chunk:
    """Samples of one track that lie together in the film."""

    slices: tuple[Slice, ...]
    sizes: tuple[int, ...]
    keyframes: tuple[int, ...] = ()  # counted from the chunk's first sample

    @property
    def size(self) -> int:
        return sum(self.sizes)


def lay_out_film(
    pictures: Sequence[VideoRun],
    sound: Sequence[Packets],
    samples: int,
    output: Output,
    *,
    language: str = "und",
    text: Sequence[Line] = (),
    chapters: Sequence[FilmChapter] = (),
) -> FilmLayout:
    """`samples`: the audible length of the sound, at 48 kHz. `text` is ascending, without overlaps, in `language`;
    `chapters` are ascending, the first one at frame 0.

    Raises Permanent `pieces_differ` unless all pictures share their parameter sets.
    """
    extradata = {p.index.extradata for p in pictures}
    if len(extradata) != 1:
        raise Permanent("pieces_differ", f"{len(extradata)} different parameter sets cannot make one track")
    video_chunks = list(_video_chunks(pictures, output.rate))
    sound_chunks = list(_sound_chunks(sound, [len(c.sizes) for c in video_chunks], output.rate))
    order = [chunk for pair in zip(video_chunks, sound_chunks, strict=True) for chunk in pair]
    at = list(accumulate((c.size for c in order), initial=0))

    frames = len(_sizes(video_chunks))
    captions, durations = _text_samples(text, frames * 1000 // output.rate) if text else ([], [])
    titles = [boxes.chapter_sample(chapter.title) for chapter in chapters]
    caption_bytes, title_bytes = b"".join(captions), b"".join(titles)  # they lie in front of everything else

    def moov(start: int) -> bytes:
        base = start + len(caption_bytes) + len(title_bytes)
        video = boxes.Video(
            _track(video_chunks, [base + a for a in at[0:-1:2]]),
            _keyframes(video_chunks),
            output.width,
            output.height,
            output.rate,
            extradata.copy().pop(),
        )
        audio = boxes.Sound(_track(sound_chunks, [base + a for a in at[1:-1:2]]), samples, language)
        captioned = (
            boxes.Text(_one_chunk(captions, start), np.array(durations, dtype=np.uint32), language) if text else None
        )
        named = _chapters(chapters, frames, output.rate, _one_chunk(titles, start + len(caption_bytes)))
        return boxes.movie(video, audio, captioned, named)

    before = boxes.file_type()
    data = boxes.media_data_header(len(caption_bytes) + len(title_bytes) + at[-1])
    start = len(before) + len(moov(0)) + len(data)  # the length of the tables does not depend on their offsets
    return FilmLayout(before + moov(start) + data + caption_bytes + title_bytes, tuple(_joined(order)))


def _chapters(chapters: Sequence[FilmChapter], frames: int, fps: Rate, track: boxes.Track) -> boxes.Chapters | None:
    """`frames` of the whole film."""
    if not chapters:
        return None
    starts = np.array([*(c.frame for c in chapters), frames], dtype=np.int64)
    return boxes.Chapters(
        [boxes.ChapterMark(round(c.frame * boxes.CHAPTER_SCALE / fps), c.title) for c in chapters],
        track,
        (np.diff(starts) * frame_ticks(fps)).astype(np.uint32),
    )


def _text_samples(text: Sequence[Line], length: int) -> tuple[list[bytes], list[int]]:
    """One sample per line and per gap, which together last `length` milliseconds; and their durations."""
    samples: list[bytes] = []
    durations: list[int] = []
    at = 0
    for line in (*text, Line(length, length, "")):
        if line.start > at:
            samples.append(struct.pack(">H", 0))
            durations.append(line.start - at)
        if line.end > line.start:
            encoded = line.text.encode()
            samples.append(struct.pack(">H", len(encoded)) + encoded)
            durations.append(line.end - line.start)
        at = max(at, line.end)
    return samples, durations


def _one_chunk(samples: Sequence[bytes], offset: int) -> boxes.Track:
    """Samples that lie together."""
    return boxes.Track(
        np.array([len(sample) for sample in samples], dtype=np.uint32),
        np.array([len(samples)], dtype=np.uint32),
        np.array([offset], dtype=np.uint64),
    )


def _video_chunks(pictures: Sequence[VideoRun], fps: Rate) -> Iterator[_Chunk]:
    """At most half a second each, so that a player buffers little; a keyframe starts a new one."""
    longest = max(1, int(fps // 2))
    for part in pictures:
        keys = {k for k in part.index.keyframes if part.start <= k < part.stop}
        if part.start not in keys:
            raise Permanent("not_a_keyframe", f"frame {part.start} of {part.path.name} cannot begin a copy")
        begin = part.start
        for frame in range(part.start + 1, part.stop + 1):
            if frame == part.stop or frame in keys or frame - begin == longest:
                sizes = part.index.sizes[begin:frame]
                offsets = part.index.offsets[begin:frame]
                slices = tuple(Slice(part.path, o, n) for o, n in zip(offsets, sizes, strict=True))
                yield _Chunk(tuple(_merged(slices)), sizes, (0,) if begin in keys else ())
                begin = frame


def _sound_chunks(sound: Sequence[Packets], frames: Sequence[int], fps: Rate) -> Iterator[_Chunk]:
    """For each video chunk the packets that are heard while it plays; the last chunk takes all remaining packets."""
    packets = [
        Slice(s.path, offset, size)
        for s in sound
        for size, offset in zip(s.sizes, accumulate(s.sizes, initial=0), strict=False)
    ]
    taken = shown = 0
    for number, count in enumerate(frames, 1):
        shown += count
        until = -(-shown * RATE // (fps * AAC_FRAME)) + 1 if number < len(frames) else len(packets)
        mine = packets[taken:until]
        taken = max(taken, until)
        yield _Chunk(tuple(_merged(mine)), tuple(p.size for p in mine))


def _merged(slices: Sequence[Slice]) -> Iterator[Slice]:
    """Joins neighbours in one file into one slice."""
    file: Path | None = None
    begin = end = 0
    for path, offset, size in slices:
        if path is file and offset == end:
            end += size
            continue
        if file:
            yield Slice(file, begin, end - begin)
        file, begin, end = path, offset, offset + size
    if file:
        yield Slice(file, begin, end - begin)


def _joined(chunks: Sequence[_Chunk]) -> Iterator[Slice]:
    return _merged([s for chunk in chunks for s in chunk.slices])


def _track(chunks: Sequence[_Chunk], offsets: Sequence[int]) -> boxes.Track:
    """Chunks without samples are left out of the tables."""
    kept = [(c, o) for c, o in zip(chunks, offsets, strict=True) if c.sizes]
    return boxes.Track(
        sizes=np.array(_sizes([c for c, _ in kept]), dtype=np.uint32),
        per_chunk=np.array([len(c.sizes) for c, _ in kept], dtype=np.uint32),
        chunks=np.array([o for _, o in kept], dtype=np.uint64),
    )


def _sizes(chunks: Sequence[_Chunk]) -> list[int]:
    return [n for chunk in chunks for n in chunk.sizes]


def _keyframes(chunks: Sequence[_Chunk]) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    firsts = accumulate((len(c.sizes) for c in chunks), initial=0)
    return np.array([f + k for c, f in zip(chunks, firsts, strict=False) for k in c.keyframes], dtype=np.uint32)
