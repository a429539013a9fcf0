"""What a file is, by its first bytes: names and content types are what a stranger says."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Final


class Form(Enum):
    MP4 = "mp4"
    MATROSKA = "matroska"
    AVI = "avi"
    WAV = "wav"
    MP3 = "mp3"
    FLAC = "flac"
    AAC = "aac"
    OGG = "ogg"
    PICTURE = "picture"
    PLAYLIST = "playlist"
    ARCHIVE = "archive"
    SVG = "svg"
    WEB_PAGE = "html"
    UNKNOWN = "unknown"

    @property
    def demuxer(self) -> str | None:
        """The only one of ffmpeg's that may read it; None: it is not for ffmpeg."""
        return _DEMUXERS.get(self)


_DEMUXERS: Final = {
    Form.MP4: "mov",
    Form.MATROSKA: "matroska",
    Form.AVI: "avi",
    Form.WAV: "wav",
    Form.MP3: "mp3",
    Form.FLAC: "flac",
    Form.OGG: "ogg",
    Form.AAC: "aac",
}

# What users may bring, as errors and documents say it; the gateway and the generator take the same.
PICTURES: Final = "JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF or BMP"
VIDEOS: Final = "MP4, MOV, MKV, WebM or AVI"
SOUNDS: Final = "WAV, MP3, FLAC, Ogg, M4A or AAC"


_STARTS: Final = (
    (b"\x1aE\xdf\xa3", Form.MATROSKA),
    (b"fLaC", Form.FLAC),
    (b"OggS", Form.OGG),
    (b"ID3", Form.MP3),
    (b"\xff\xd8\xff", Form.PICTURE),
    (b"\x89PNG\r\n\x1a\n", Form.PICTURE),
    (b"GIF8", Form.PICTURE),
    (b"II*\x00", Form.PICTURE),
    (b"MM\x00*", Form.PICTURE),
    (b"BM", Form.PICTURE),
    (b"#EXTM3U", Form.PLAYLIST),
    (b"ffconcat", Form.PLAYLIST),
    (b"[playlist]", Form.PLAYLIST),
    (b"PK\x03\x04", Form.ARCHIVE),
    (b"%PDF", Form.ARCHIVE),
)
_RIFF: Final = {b"AVI ": Form.AVI, b"WAVE": Form.WAV, b"WEBP": Form.PICTURE}
_STILL: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")  # HEIC and AVIF
_OLD_QUICKTIME: Final = (b"moov", b"mdat", b"wide")  # first boxes of a MOV from before there were brands


def sniff(path: Path) -> Form:
    """Reads 1 KiB. Blocks for no longer than that takes."""
    with path.open("rb") as file:
        head = file.read(1024)
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return Form.PICTURE if brand in _STILL else Form.MP4
    if head[4:8] in _OLD_QUICKTIME:
        return Form.MP4
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], Form.UNKNOWN)
    if head.startswith(b"ID3") and _behind_tag(path, head) == b"fLaC":
        return Form.FLAC  # as Content Credentials are put into it
    for start, form in _STARTS:
        if head.startswith(start):
            return form
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6):  # an MPEG audio frame's sync
        return Form.MP3
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # an ADTS frame's
        return Form.AAC
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text and text.startswith(b"<"):
        return Form.SVG
    return Form.WEB_PAGE if text.startswith((b"<!doctype", b"<html", b"<head")) else Form.UNKNOWN


def _behind_tag(path: Path, head: bytes) -> bytes:
    """Four bytes after an ID3v2 tag, whose length is written seven bits to a byte."""
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    with path.open("rb") as file:
        file.seek(10 + length)
        return file.read(4)
