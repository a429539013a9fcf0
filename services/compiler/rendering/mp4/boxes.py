"""The boxes of an MP4 with H.264 of constant rate, AAC and optional captions (ISO/IEC 14496-12, -14, -15).

Its chapters are there twice: in Nero's list, and as a track of QuickTime's, which Apple's players read.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.compiler.planning.sound_plan import RATE
from services.compiler.rendering.mp4.samples import AAC_FRAME
from shared.contracts.frame_rates import Rate, frame_ticks, timescale

_IDENTITY: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_ASC: Final = bytes((0x11, 0x90))  # AudioSpecificConfig: AAC LC, 48 kHz, stereo
CHAPTER_SCALE: Final = 10_000_000
MOST_CHAPTERS = MOST_TITLE = 255
MOST_SAMPLE_TEXT: Final = 0xFFFF  # bytes
PRIMING: Final = AAC_FRAME  # samples that ffmpeg's AAC encoder puts before the first one


@dataclass(frozen=True)
class Track:
    """`sizes` in bytes of all samples; chunk i holds `per_chunk[i]` of them at file offset `chunks[i]`."""

    sizes: NDArray[np.uint32]
    per_chunk: NDArray[np.uint32]
    chunks: NDArray[np.uint64]


@dataclass(frozen=True)
class Video:
    track: Track
    keyframes: NDArray[np.uint32]  # sample numbers from 0
    width: int
    height: int
    fps: Rate
    extradata: bytes  # avcC

    @property
    def timescale(self) -> int:
        return timescale(self.fps)

    @property
    def length(self) -> int:
        """At the timescale."""
        return len(self.track.sizes) * frame_ticks(self.fps)


@dataclass(frozen=True)
class Sound:
    """`samples`: the audible length, before which the track has the encoder's priming, and after which padding."""

    track: Track
    samples: int
    language: str = "und"


@dataclass(frozen=True)
class Text:
    """Captions (3GPP TS 26.245): sample i is shown for `durations[i]` milliseconds; an empty one shows nothing."""

    track: Track
    durations: NDArray[np.uint32]
    language: str


@dataclass(frozen=True)
class ChapterMark:
    """`start` in units of `CHAPTER_SCALE` per second."""

    start: int
    title: str


@dataclass(frozen=True)
class Chapters:
    """`marks` for Nero's list. In QuickTime's track sample i is the title of chapter i, which lasts `durations[i]` at
    the video's timescale; together they last as long as the video."""

    marks: Sequence[ChapterMark]
    track: Track
    durations: NDArray[np.uint32]


def box(kind: bytes, *content: bytes) -> bytes:
    size = 8 + sum(map(len, content))
    return b"".join((struct.pack(">I4s", size, kind), *content))


def full_box(kind: bytes, version: int, flags: int, *content: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def file_type() -> bytes:
    return box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2avc1mp41")


def media_data_header(size: int) -> bytes:
    """Always in the 64-bit form, so that the length of the header is constant."""
    return struct.pack(">I4sQ", 1, b"mdat", size + 16)


def movie(video: Video, sound: Sound, text: Text | None = None, chapters: Chapters | None = None) -> bytes:
    scale = video.timescale
    length = video.length
    named = (3 + bool(text)) if chapters else None  # the number of the track of chapters, the last one
    header = full_box(
        b"mvhd",
        1,
        0,
        struct.pack(">QQIQ", 0, 0, scale, length),
        struct.pack(">IH10x", 0x10000, 0x100),
        _IDENTITY,
        bytes(24),
        struct.pack(">I", 3 + bool(text) + bool(chapters)),
    )
    tracks = [_video_track(video, length, named), _sound_track(sound, scale, named)]
    if text:
        tracks.append(_text_track(text, video, length, named))
    if chapters and named:
        tracks += [_chapter_track(chapters, video, named), _chapter_list(chapters.marks)]
    return box(b"moov", header, *tracks)


def chapter_sample(title: str) -> bytes:
    """A sample of QuickTime's text: its length in bytes, the text, and that it is UTF-8."""
    text = _shortened(title, MOST_SAMPLE_TEXT)
    return struct.pack(">H", len(text)) + text + box(b"encd", struct.pack(">I", 0x100))


def _chapter_list(chapters: Sequence[ChapterMark]) -> bytes:
    """Nero's chapter list, which ffmpeg, VLC and mpv read: at most 255 entries, each with at most 255 bytes of text."""
    entries = []
    for chapter in chapters[:MOST_CHAPTERS]:
        title = _shortened(chapter.title, MOST_TITLE)
        entries.append(struct.pack(">QB", chapter.start, len(title)) + title)
    return box(b"udta", full_box(b"chpl", 1, 0, bytes(4), struct.pack(">B", len(entries)), *entries))


def _chapter_track(chapters: Chapters, video: Video, number: int) -> bytes:
    """Disabled, so that no player shows its text over the picture; the other tracks refer to it as their chapters.

    The contents of `gmhd` and `text` are those of ffmpeg, which Apple's players are known to take: QuickTime File
    Format, "Base media information header" and "Text sample description".
    """
    runs = np.ones((len(chapters.durations), 2), dtype=">u4")
    runs[:, 1] = chapters.durations
    length = video.length
    generic = full_box(b"gmin", 0, 0, struct.pack(">HHHHHH", 0x40, 0x8000, 0x8000, 0x8000, 0, 0))
    media = box(
        b"text", struct.pack(">H", 1), bytes(12), struct.pack(">I", 1), bytes(12), struct.pack(">IH", 0x4000, 0)
    )
    font = box(b"ftab", struct.pack(">HHB", 1, 1, 0))
    entry = box(b"text", struct.pack(">6xHI", 1, 1), bytes(18), struct.pack(">H", 1), bytes(6), font)
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), entry),
        full_box(b"stts", 0, 0, struct.pack(">I", len(runs)), runs.tobytes()),
        *_tables(chapters.track),
    )
    return box(
        b"trak",
        _track_header(number, length, 0, 0, 0, enabled=False),
        _edit(length, 0),
        box(
            b"mdia",
            full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, video.timescale, length, _language("und"), 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"text"), b"Chapters\0"),
            box(b"minf", box(b"gmhd", generic, media), _data_here(), table),
        ),
    )


def _named_by(chapters: int | None) -> bytes:
    """A track's reference to the track that has its chapters."""
    return box(b"tref", box(b"chap", struct.pack(">I", chapters))) if chapters else b""


def _shortened(text: str, most: int) -> bytes:
    return text.encode()[:most].decode(errors="ignore").encode()  # no half character


def _video_track(video: Video, length: int, chapters: int | None) -> bytes:
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), _avc1(video)),
        full_box(b"stts", 0, 0, struct.pack(">3I", 1, len(video.track.sizes), frame_ticks(video.fps))),
        full_box(b"stss", 0, 0, struct.pack(">I", len(video.keyframes)), (video.keyframes + 1).astype(">u4").tobytes()),
        *_tables(video.track),
    )
    return box(
        b"trak",
        _track_header(1, length, 0, video.width, video.height),
        _edit(length, 0),
        _named_by(chapters),
        box(
            b"mdia",
            full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, video.timescale, length, _language("und"), 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"vide"), b"Video\0"),
            box(b"minf", full_box(b"vmhd", 0, 1, bytes(8)), _data_here(), table),
        ),
    )


def _sound_track(sound: Sound, movie_scale: int, chapters: int | None) -> bytes:
    packets = len(sound.track.sizes)
    length = sound.samples * movie_scale // RATE
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), _mp4a()),
        full_box(b"stts", 0, 0, struct.pack(">3I", 1, packets, AAC_FRAME)),
        *_tables(sound.track),
    )
    duration = packets * AAC_FRAME
    return box(
        b"trak",
        _track_header(2, length, 0x100, 0, 0),
        _edit(length, PRIMING),
        _named_by(chapters),
        box(
            b"mdia",
            full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, RATE, duration, _language(sound.language), 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"soun"), b"Sound\0"),
            box(b"minf", full_box(b"smhd", 0, 0, bytes(4)), _data_here(), table),
        ),
    )


def _text_track(text: Text, video: Video, length: int, chapters: int | None) -> bytes:
    """Players show it when subtitles are turned on. It covers the lower fifth of the picture."""
    height = video.height // 5
    duration = int(text.durations.sum())
    runs = np.ones((len(text.durations), 2), dtype=">u4")
    runs[:, 1] = text.durations
    table = box(
        b"stbl",
        full_box(b"stsd", 0, 0, struct.pack(">I", 1), _tx3g(video.width, height)),
        full_box(b"stts", 0, 0, struct.pack(">I", len(runs)), runs.tobytes()),
        *_tables(text.track),
    )
    return box(
        b"trak",
        _track_header(3, length, 0, video.width, height, top=video.height - height),
        _edit(length, 0),
        _named_by(chapters),
        box(
            b"mdia",
            full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, 1000, duration, _language(text.language), 0)),
            full_box(b"hdlr", 0, 0, struct.pack(">4x4s12x", b"sbtl"), b"Captions\0"),
            box(b"minf", full_box(b"nmhd", 0, 0), _data_here(), table),
        ),
    )


def _tx3g(width: int, height: int) -> bytes:
    """White, centred, at the bottom of its region, with a font size of a third of the region."""
    font = struct.pack(">HHB", 1, 1, 4) + b"Sans"
    style = struct.pack(">HHHBB4B", 0, 0, 1, 0, min(255, max(8, height // 3)), 255, 255, 255, 255)
    region = struct.pack(">4h", 0, 0, height, width)
    return box(b"tx3g", struct.pack(">6xHIbb4B", 1, 0, 1, -1, 0, 0, 0, 0), region, style, box(b"ftab", font))


def _track_header(
    number: int, length: int, volume: int, width: int, height: int, top: int = 0, *, enabled: bool = True
) -> bytes:
    place = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, top << 16, 0x40000000) if top else _IDENTITY
    return full_box(
        b"tkhd",
        1,
        3 if enabled else 2,  # in movie
        struct.pack(">QQIIQ", 0, 0, number, 0, length),
        struct.pack(">8xHHHH", 0, 0 if volume == 0 else 1, volume, 0),
        place,
        struct.pack(">II", width << 16, height << 16),
    )


def _edit(length: int, media_time: int) -> bytes:
    return box(b"edts", full_box(b"elst", 1, 0, struct.pack(">IQqI", 1, length, media_time, 0x10000)))


def _data_here() -> bytes:
    return box(b"dinf", full_box(b"dref", 0, 0, struct.pack(">I", 1), full_box(b"url ", 0, 1)))


def _tables(track: Track) -> tuple[bytes, ...]:
    """stsz, stsc (one entry per change of the number of samples in a chunk) and co64."""
    changes = np.flatnonzero(np.diff(track.per_chunk, prepend=np.uint32(0)))
    runs = np.ones((len(changes), 3), dtype=">u4")
    runs[:, 0] = changes + 1
    runs[:, 1] = track.per_chunk[changes]
    return (
        full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(track.sizes)), track.sizes.astype(">u4").tobytes()),
        full_box(b"stsc", 0, 0, struct.pack(">I", len(runs)), runs.tobytes()),
        full_box(b"co64", 0, 0, struct.pack(">I", len(track.chunks)), track.chunks.astype(">u8").tobytes()),
    )


def _avc1(video: Video) -> bytes:
    return box(
        b"avc1",
        struct.pack(">6xH16x", 1),
        struct.pack(">HHII4xH", video.width, video.height, 0x480000, 0x480000, 1),
        bytes(32),
        struct.pack(">Hh", 24, -1),
        box(b"avcC", video.extradata),
        box(b"colr", b"nclx", struct.pack(">HHHB", 1, 1, 1, 0)),  # BT.709, limited range
        box(b"pasp", struct.pack(">II", 1, 1)),
    )


def _mp4a() -> bytes:
    config = _descriptor(5, _ASC)
    decoder = _descriptor(4, struct.pack(">BB3xII", 0x40, 0x15, 0, 0), config)
    stream = _descriptor(3, struct.pack(">HB", 2, 0), decoder, _descriptor(6, b"\x02"))
    entry = struct.pack(">6xH8xHHHHI", 1, 2, 16, 0, 0, RATE << 16)
    return box(b"mp4a", entry, full_box(b"esds", 0, 0, stream))


def _descriptor(tag: int, *content: bytes) -> bytes:
    """An MPEG-4 descriptor with a length of four bytes, which all readers accept."""
    size = sum(map(len, content))
    length = bytes((0x80 | size >> 21 & 0x7F, 0x80 | size >> 14 & 0x7F, 0x80 | size >> 7 & 0x7F, size & 0x7F))
    return b"".join((bytes((tag,)), length, *content))


def _language(code: str) -> int:
    """ISO 639-2/T letters packed in 15 bits."""
    a, b, c = (ord(letter) - 0x60 for letter in code)
    return a << 10 | b << 5 | c
