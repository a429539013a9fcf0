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
    W64 = "w64"
    AU = "au"
    MPEG_TS = "mpegts"
    MPEG_PS = "mpeg"
    FLV = "flv"
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
    Form.W64: "w64",
    Form.AU: "au",
    Form.MPEG_TS: "mpegts",
    Form.MPEG_PS: "mpeg",
    Form.FLV: "flv",
}

# Accepted formats, as named in errors and documents; the same in the gateway and the generator.
PICTURES: Final = "JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF or BMP"
VIDEOS: Final = "MP4, MOV, 3GP, MKV, WebM, OGV, AVI, MPEG, TS or FLV"
SOUNDS: Final = "WAV, W64, MP3, FLAC, Ogg, M4A, AAC, AIFF, AU, CAF, AMR, MKA or WebM"


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
    (b"II+\x00\x08\x00", Form.PICTURE),  # BigTIFF
    (b"MM\x00+\x00\x08", Form.PICTURE),
    (b"riff\x2e\x91\xcf\x11", Form.W64),
    (b".snd", Form.AU),
    (b"\x00\x00\x01\xba", Form.MPEG_PS),
    (b"FLV\x01", Form.FLV),
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


# What people bring and Retake does not take, by its first bytes: so that the refusal can say what it is.
_FOREIGN: Final = (
    (b"0&\xb2u\x8ef\xcf\x11", "a Windows Media file (WMA or WMV)"),
    (b"\x06\x0e+4\x02\x05\x01\x01", "an MXF file"),
    (b"\x0bw", "Dolby Digital sound (AC-3)"),
    (b"\x7f\xfe\x80\x01", "DTS sound"),
    (b"wvpk", "WavPack sound"),
    (b"TTA1", "True Audio sound"),
    (b"MAC ", "Monkey's Audio sound"),
    (b"MThd", "a MIDI file"),
    (b".RMF", "a RealMedia file"),
    (b"DKIF", "an IVF file"),
    (b"YUV4MPEG2", "a YUV4MPEG file"),
    (b"\x00\x00\x00\x01", "a video stream without a container"),
    (b"\x1f\x07\x00", "a DV stream without a container"),
    (b"\x56\xe0", "AAC sound in LATM"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL picture"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"8BPS", "a Photoshop document"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIRS", "a camera's raw file"),
    (b"MMOR", "a camera's raw file"),
    (b"IIU\x00", "a camera's raw file"),
    (b"FOVb", "a camera's raw file"),
    (b"PK\x03\x04", "a document or an archive"),
    (b"%PDF", "a PDF document"),
    (b"#EXTM3U", "a playlist"),
    (b"ffconcat", "a playlist"),
    (b"[playlist]", "a playlist"),
)


def foreign(head: bytes) -> str | None:
    """What a file that is not taken is, such as "a PDF document"; None if its first bytes are unknown."""
    if head[4:12] == b"ftypcrx ":
        return "a camera's raw file"
    return next((words for start, words in _FOREIGN if head.startswith(start)), None)


def foreign_file(path: Path) -> str | None:
    """The same of a file. Blocks briefly."""
    with path.open("rb") as file:
        return foreign(file.read(_HEAD_BYTES))


def is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes that begin with the same byte; 192 with a camcorder's time stamps (ISO/IEC 13818-1)."""
    return any(
        len(head) > first + 2 * size and all(head[first + n * size] == 0x47 for n in range(3))
        for first, size in ((0, 188), (4, 192))
    )


def _form(head: bytes) -> Form:
    if head[4:12] == b"ftypcrx ":  # Canon's raw file
        return Form.UNKNOWN
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
    if is_transport_stream(head):
        return Form.MPEG_TS
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
