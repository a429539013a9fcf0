"""What a file is, by its first bytes, as the gateway decides it: names do not count."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PICTURES: Final = "JPEG, PNG, WebP, GIF, HEIC, AVIF, TIFF or BMP"

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0\x08\0", "image/tiff"),
    (b"MM\0+\0\x08", "image/tiff"),
    (b"riff\x2e\x91\xcf\x11", "audio/x-w64"),
    (b".snd", "audio/basic"),
    (b"\0\0\1\xba", "video/mpeg"),
    (b"FLV\1", "video/x-flv"),
    (b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"caff", "audio/x-caf"),
    (b"#!AMR", "audio/amr"),
    (b"ID3", "audio/mpeg"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_HEIC: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_HEAD_BYTES: Final = 1024
_CONTAINERS: Final = ("video/mp4", "video/quicktime", "video/x-matroska", "video/webm", "audio/mp4", "audio/ogg")


def content_type(path: Path) -> str | None:
    """The content type by the first bytes; None for what Retake does not take. Raises OSError."""
    with path.open("rb") as file:
        return content_type_of(file.read(_HEAD_BYTES))


def is_marked_text(path: Path) -> bool:
    """Text in UTF-16 or UTF-32 with a byte order mark, as Windows' editors write it; its mark looks like that of sound.
    Raises OSError."""
    with path.open("rb") as file:
        return file.read(2) in (b"\xff\xfe", b"\xfe\xff")


def content_type_of(head: bytes) -> str | None:
    """The same of a file's first KiB."""
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return _RIFF.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head.startswith(b"BM") and len(head) >= 26 and head[6:10] == bytes(4):
        return "image/bmp"
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12])
    if head[4:8] in (b"moov", b"mdat", b"wide"):
        return "video/quicktime"
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return "video/webm" if signature == b"\x1a\x45\xdf\xa3" and b"webm" in head else found
    if _is_transport_stream(head):
        return "video/mp2t"
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    return "audio/mpeg" if head[1] & 0x06 else None


def media_kind(found: str | None) -> str | None:
    """image, video or audio; None if only the gateway can tell, as of a container that may hold only sound."""
    return None if found is None or found in _CONTAINERS else found.partition("/")[0]


def may_be_film(found: str | None) -> bool:
    return found is not None and (found in _CONTAINERS or found.startswith("video/"))


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) > first + 2 * size and all(head[first + n * size] == 0x47 for n in range(3))
        for first, size in ((0, 188), (4, 192))
    )


def _of_brand(brand: bytes) -> str | None:
    if brand == b"crx ":  # a camera's raw file
        return None
    if brand in (b"M4A ", b"M4B "):
        return "audio/mp4"
    if brand == b"qt  ":
        return "video/quicktime"
    if brand in (b"avif", b"avis"):
        return "image/avif"
    return "image/heic" if brand in _HEIC else "video/mp4"
