"""Identifies a file's format by its first bytes: names and content types of uploads are not trusted."""

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
        """The only demuxer of ffmpeg that may read the format; None if ffmpeg must not read it."""
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

# Accepted formats, as named in errors and documents; the same in the gateway and the generator.
PICTURES: Final = "JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF or BMP"
VIDEOS: Final = "MP4, MOV, MKV, WebM or AVI"
SOUNDS: Final = "WAV, MP3, FLAC, Ogg, M4A or AAC"


_SIGNATURES: Final = (
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
_OLD_QUICKTIME: Final = (b"moov", b"mdat", b"wide")  # first boxes of a MOV without brands


def sniff(path: Path) -> Form:
    """The format of a file, from its first KiB. Blocks briefly."""
    with path.open("rb") as file:
        head = file.read(1024)
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return Form.PICTURE if brand in _STILL else Form.MP4
    if head[4:8] in _OLD_QUICKTIME:
        return Form.MP4
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], Form.UNKNOWN)
    if head.startswith(b"ID3") and _after_tag(path, head) == b"fLaC":
        return Form.FLAC  # FLAC with Content Credentials
    for signature, form in _SIGNATURES:
        if head.startswith(signature):
            return form
    if (
        len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6)
    ):  # the sync word of an MPEG audio frame
        return Form.MP3
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # the sync word of an ADTS frame
        return Form.AAC
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text and text.startswith(b"<"):
        return Form.SVG
    return Form.WEB_PAGE if text.startswith((b"<!doctype", b"<html", b"<head")) else Form.UNKNOWN


def _after_tag(path: Path, head: bytes) -> bytes:
    """The four bytes after an ID3v2 tag, whose length has seven bits per byte."""
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    with path.open("rb") as file:
        file.seek(10 + length)
        return file.read(4)
