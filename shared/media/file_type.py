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
    AIFF = "aiff"
    CAF = "caf"
    AMR = "amr"
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
    Form.AIFF: "aiff",
    Form.CAF: "caf",
    Form.AMR: "amr",
}

# Accepted formats, as named in errors and documents; the same in the gateway and the generator.
PICTURES: Final = "JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF or BMP"
VIDEOS: Final = "MP4, MOV, 3GP, MKV, WebM or AVI"
SOUNDS: Final = "WAV, MP3, FLAC, Ogg, M4A, AAC, AIFF, CAF, AMR, MKA or WebM"


_HEAD_BYTES: Final = 1024
_MOST_TAGS: Final = 100  # before the content; files have one, and a file may be nothing but tags

_SIGNATURES: Final = (
    (b"\x1aE\xdf\xa3", Form.MATROSKA),
    (b"fLaC", Form.FLAC),
    (b"OggS", Form.OGG),
    (b"caff", Form.CAF),
    (b"#!AMR", Form.AMR),
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
_LARGE_RIFF: Final = (b"RF64", b"BW64")  # WAV with sizes in 64 bits (EBU Tech 3306, ITU-R BS.2088)
_STILL: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")  # HEIC and AVIF
_OLD_QUICKTIME: Final = (b"moov", b"mdat", b"wide")  # first boxes of a MOV without brands


def sniff(path: Path) -> Form:
    """The format of a file, from its first KiB and, behind ID3 tags, the next one. Blocks briefly."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        tagged = head.startswith(b"ID3")
        for _ in range(_MOST_TAGS):
            if not head.startswith(b"ID3") or len(head) < 10:
                break
            file.seek(_tag_length(head) + file.tell() - len(head))
            head = file.read(_HEAD_BYTES)
    form = _form(head)
    if not tagged:
        return form
    # Tags are written before FLAC and AAC, too; anything else behind one is what players take it for.
    return form if form in (Form.FLAC, Form.AAC) else Form.MP3


def is_webm(path: Path) -> bool:
    """Whether a Matroska file declares itself as WebM."""
    with path.open("rb") as file:
        return b"webm" in file.read(64)


def _form(head: bytes) -> Form:
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return Form.PICTURE if brand in _STILL else Form.MP4
    if head[4:8] in _OLD_QUICKTIME:
        return Form.MP4
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], Form.UNKNOWN)
    if head[:4] in _LARGE_RIFF and head[8:12] == b"WAVE":
        return Form.WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Form.AIFF
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


def _tag_length(head: bytes) -> int:
    """Bytes of the ID3v2 tag at the start, with its header and footer; seven bits per byte (ID3v2.4, section 3.1)."""
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return length + (20 if head[5] & 0x10 else 10)
