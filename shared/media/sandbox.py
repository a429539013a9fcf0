"""How a file from an untrusted source is opened: with the one demuxer that its first bytes name, with decoders that are
in everyday use, and without access to other files or to the network.

ffmpeg has hundreds of demuxers and decoders. Some open other files by name (playlists, concatenations), and most are
old and rarely reviewed; unless it is restricted, a file chooses among them by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from shared.contracts.messages import message
from shared.core.errors import Permanent
from shared.media.file_type import Form, sniff

# ffmpeg compares the names of decoders, of which a format may have several.
_PICTURES: Final = (
    "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg1video", "mpeg2video", "mpeg4",
    "h263", "msmpeg4", "mjpeg", "png", "webp", "prores", "dnxhd", "cfhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff",
    "utvideo", "qtrle", "rawvideo", "theora", "flv",
)  # fmt: skip
_SOUND: Final = (
    "aac", "mp3", "mp3float", "mp2", "mp2float", "flac", "alac", "opus", "libopus", "vorbis", "libvorbis", "ac3",
    "eac3", "dca", "amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "adpcm_ima_wav", "adpcm_ima_qt",
    "adpcm_ms", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw",
)  # fmt: skip
DECODERS: Final = frozenset((*_PICTURES, *_SOUND))

_MAX_PIXELS: Final = 8192 * 8192  # of one frame: a stream may grow after its first frame was inspected
_PICTURE_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "jpeg_pipe"), (b"\x89PNG\r\n\x1a\n", "png_pipe"), (b"RIFF", "webp_pipe"),
)  # fmt: skip
_RESTRICTIONS: Final = {"protocol_whitelist": "file", "codec_whitelist": ",".join(sorted(DECODERS))}

MOST_PACKETS: Final = 1_000_000  # of one stream: an hour at 240 frames a second has 864,000
MOST_STREAMS: Final = 64  # cameras write about ten
MOST_REUSE: Final = 4  # times that a file's bytes may be packets, on average
_SMALL: Final = 1 << 20

Option = str | int | float | None
"""The value of an option of ffmpeg; None for a flag without one."""


def input_options(path: Path, options: Mapping[str, Option]) -> dict[str, Option]:
    """ffmpeg's options for reading `path`, by name. `options` may name a `format` for raw data without a signature.

    Raises Permanent `media_unreadable` for anything that is neither media nor a picture that ffmpeg may decode.
    """
    demuxer = options.get("format") or demuxer_of(path)
    return {**_RESTRICTIONS, "max_pixels": _MAX_PIXELS, **options, "format": demuxer}


def open_media(path: Path | str, demuxer: str | None = None) -> InputContainer:
    """Opens a file with PyAV under the same restrictions. Blocks.

    Raises Permanent `media_unreadable`, and what PyAV raises (av.error.FFmpegError).
    """
    # Titles may be in any encoding; they are not read.
    container = av.open(
        f"file:{path}", format=demuxer or demuxer_of(Path(path)), options=dict(_RESTRICTIONS), metadata_errors="ignore"
    )
    if len(container.streams) > MOST_STREAMS:
        container.close()
        raise unreadable(message("problem.media_streams_excessive", most=MOST_STREAMS))
    return container


def packets(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """The streams' packets, of which a file cannot have more, or larger ones, than it has room for.

    An index may name the same bytes a million times, which makes hours of work of a small file; one that counts more
    pictures is not followed at all (of sound it may count each sample). Raises Permanent `media_unreadable`, and what
    PyAV raises.
    """
    if any(stream.type == "video" and stream.frames > MOST_PACKETS for stream in streams):
        raise _excessive()
    most_bytes = MOST_REUSE * container.size + _SMALL
    seen = 0
    for number, packet in enumerate(container.demux(streams)):
        seen += packet.size
        if number >= MOST_PACKETS * len(streams):
            raise _excessive()
        if seen > most_bytes:
            raise unreadable(message("problem.media_index_repeats"))
        yield packet


def demuxer_of(path: Path) -> str:
    """The demuxer for the file's signature. Raises Permanent `media_unreadable`."""
    try:
        form = sniff(path)
        demuxer = form.demuxer or (_picture_demuxer(path) if form is Form.PICTURE else None)
    except OSError as error:
        raise unreadable(message("problem.media_read_failed", reason=f"{error.strerror}.")) from error
    if demuxer is None:
        raise unreadable(message("problem.media_format_unknown"))
    return demuxer


def _excessive() -> Permanent:
    return unreadable(message("problem.media_packets_excessive", most=f"{MOST_PACKETS:,}"))


def unreadable(cause: str) -> Permanent:
    return Permanent("media_unreadable", cause, message("problem.media_read_failed.recovery"))


def _picture_demuxer(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(16)
    return next((demuxer for signature, demuxer in _PICTURE_SIGNATURES if head.startswith(signature)), None)
