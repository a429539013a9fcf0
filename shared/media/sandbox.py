"""How a media file that a stranger made is opened: by the one demuxer that its first bytes name, with decoders that
are in everyday use, and with no way to any other file or to the network.

ffmpeg has hundreds of demuxers and decoders. Some open other files by name (playlists, concatenations), most are old
and seldom looked at; a file chooses among them by itself unless it is told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
import av.error
from av.container import InputContainer

from shared.core.errors import Permanent
from shared.media.file_type import Form, sniff

# By the names of decoders, which is what ffmpeg compares: a format may have several.
_PICTURES: Final = (
    "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg1video", "mpeg2video", "mpeg4",
    "msmpeg4", "mjpeg", "png", "webp", "prores", "dnxhd", "cfhd", "dvvideo", "ffv1", "huffyuv", "ffvhuff", "utvideo",
    "qtrle", "rawvideo", "theora",
)  # fmt: skip
_SOUND: Final = (
    "aac", "mp3", "mp3float", "mp2", "mp2float", "flac", "alac", "opus", "libopus", "vorbis", "libvorbis", "ac3",
    "eac3", "dca", "amrnb", "amrwb", "libopencore_amrnb", "libopencore_amrwb", "adpcm_ima_wav", "adpcm_ima_qt",
    "adpcm_ms", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
    "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw",
)  # fmt: skip
DECODERS: Final = frozenset((*_PICTURES, *_SOUND))

_MAX_PIXELS: Final = 8192 * 8192  # of one frame: a stream may grow after its first one was looked at
_PICTURE_STARTS: Final = (
    (b"\xff\xd8\xff", "jpeg_pipe"), (b"\x89PNG\r\n\x1a\n", "png_pipe"), (b"RIFF", "webp_pipe"),
)  # fmt: skip
_OPTIONS: Final = {"protocol_whitelist": "file", "codec_whitelist": ",".join(sorted(DECODERS))}


def file_input(path: Path, *options: str) -> list[str]:
    """ffmpeg's arguments for reading `path`. `options` may name a demuxer (`-f`) for what says nothing of itself.

    Raises Permanent `media_unreadable` for what is neither media nor a picture that ffmpeg may decode.
    """
    fences = [part for name, value in _OPTIONS.items() for part in (f"-{name}", value)]
    forced = [] if "-f" in options else ["-f", demuxer_of(path)]
    return [*fences, "-max_pixels", str(_MAX_PIXELS), *forced, *options, "-i", f"file:{path}"]


def open_media(path: Path | str, demuxer: str | None = None) -> InputContainer:
    """With PyAV, as `file_input` for ffmpeg. Blocks. Raises what it raises, and av.error.FFmpegError."""
    # Titles may be in any encoding: they are not read.
    return av.open(
        f"file:{path}", format=demuxer or demuxer_of(Path(path)), options=dict(_OPTIONS), metadata_errors="ignore"
    )


def demuxer_of(path: Path) -> str:
    """Raises Permanent `media_unreadable`."""
    try:
        form = sniff(path)
        found = form.demuxer or (_of_picture(path) if form is Form.PICTURE else None)
    except OSError as error:
        raise unreadable(f"{error.strerror}.") from error
    if found is None:
        raise unreadable("It is neither video nor sound that is taken here.")
    return found


def unreadable(why: str) -> Permanent:
    return Permanent("media_unreadable", f"The file cannot be read as media: {why}", "Upload a file that plays.")


def _of_picture(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(16)
    return next((demuxer for start, demuxer in _PICTURE_STARTS if head.startswith(start)), None)
