"""Uploads: which files are accepted, recognised by their first bytes and never by their names or declared types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.contracts.messages import message
from shared.contracts.values import ObjectRef
from shared.media.file_type import PICTURES, SOUNDS, VIDEOS, Form, foreign, is_transport_stream


@dataclass(frozen=True)
class Upload:
    upload_id: str
    project_id: str
    filename: str
    content_type: str
    kind: str
    object: ObjectRef
    user_id: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    fps: float | None = None


MIB: Final = 1024 * 1024
SNIFFED_BYTES: Final = 1024
MAX_FILM_S: Final = 60 * 60
MAX_BYTES: Final = {"image": 80 * MIB, "audio": 200 * MIB, "video": 2048 * MIB}
EXTENSIONS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/avif": "avif",
    "image/tiff": "tiff",
    "image/bmp": "bmp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/ogg": "ogv",
    "video/mp2t": "ts",
    "video/mpeg": "mpeg",
    "video/x-flv": "flv",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
    "audio/aac": "aac",
    "audio/webm": "webm",
    "audio/x-matroska": "mka",
    "audio/aiff": "aiff",
    "audio/x-caf": "caf",
    "audio/amr": "amr",
    "audio/x-w64": "w64",
    "audio/basic": "au",
}
_HEIC: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_REFUSED: Final = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)
TAIL_BYTES: Final = 66 * 1024  # the end of a ZIP archive with the longest comment
_END_MARKERS: Final = {"image/jpeg": b"\xff\xd9", "image/png": b"IEND\xaeB`\x82", "image/gif": b"\0;"}
_APPENDED: Final = (
    (b"pk\x03\x04", "a ZIP archive"),
    (b"rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"%pdf", "a PDF"),
    (b"<?", "a program"),
    (b"#!", "a program"),
    (b"mz", "a program"),
    (b"\x7felf", "a program"),
    (b"<script", "a web page"),
    (b"<html", "a web page"),
    (b"<!doctype", "a web page"),
    (b"<svg", "an SVG"),
)


@dataclass(frozen=True)
class MediaFacts:
    """As measured in the file: width and height in pixels, duration in seconds, frames per second; None where a file
    has none.

    `content_type` is the file's by its streams, which its first bytes do not tell.
    """

    content_type: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    fps: float | None = None


def media_kind(content_type: str) -> str:
    """image, video or audio."""
    return content_type.partition("/")[0]


def sniff(head: bytes) -> str | None:
    """The content type by the first bytes of the file; None if it is not accepted.

    What a container holds, pictures or only sound, and what follows a tag, is not in them: see `settled`.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and len(head) >= 12:
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0\x08\0", b"MM\0+\0\x08")):
        return "image/tiff"
    if head.startswith(b"BM") and len(head) >= 26 and head[6:10] == bytes(4):  # reserved bytes, always zero
        return "image/bmp"
    if head[4:8] == b"ftyp":
        return _iso_brand(head[8:12])
    if head.startswith(b"riff\x2e\x91\xcf\x11"):
        return "audio/x-w64"
    if head.startswith(b".snd"):
        return "audio/basic"
    if head.startswith(b"\0\0\1\xba"):
        return "video/mpeg"
    if head.startswith(b"FLV\1"):
        return "video/x-flv"
    if is_transport_stream(head):
        return "video/mp2t"
    if head[4:8] in (b"moov", b"mdat", b"wide"):  # a MOV from before brands existed
        return "video/quicktime"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm" if b"webm" in head else "video/x-matroska"
    if head.startswith(b"fLaC"):
        return "audio/flac"
    if head.startswith(b"OggS"):
        return "audio/ogg"
    if head[:4] in (b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head.startswith(b"caff"):
        return "audio/x-caf"
    if head.startswith(b"#!AMR"):
        return "audio/amr"
    if head.startswith(b"ID3"):
        return "audio/mpeg"
    return _frame_sync(head)


def _iso_brand(brand: bytes) -> str | None:
    if brand == b"crx ":  # a camera's raw file
        return None
    if brand in (b"M4A ", b"M4B "):
        return "audio/mp4"
    if brand == b"qt  ":
        return "video/quicktime"
    if brand in (b"avif", b"avis"):
        return "image/avif"
    return "image/heic" if brand in _HEIC else "video/mp4"


def _frame_sync(head: bytes) -> str | None:
    """Audio without a container: eleven sync bits, then layer 0 (ADTS) or 1-3 (MPEG)."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    return "audio/mpeg" if head[1] & 0x06 else None


_ONLY_SOUND: Final = {
    "video/mp4": "audio/mp4",
    "video/quicktime": "audio/mp4",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
}
_TAGGED: Final = {Form.FLAC: "audio/flac", Form.AAC: "audio/aac"}


def settled(content_type: str, form: Form, has_pictures: bool) -> str:
    """The content type of a container by what it holds: brands and suffixes say little about it.

    `has_pictures`: it has a video stream that is not a cover.
    """
    if content_type == "audio/mp4":
        return "video/mp4" if has_pictures else content_type
    if content_type == "audio/ogg":
        return "video/ogg" if has_pictures else content_type
    if content_type == "audio/mpeg":
        return _TAGGED.get(form, content_type)
    return content_type if has_pictures else _ONLY_SOUND.get(content_type, content_type)


def looks_like_svg(head: bytes) -> bool:
    """Markup, which could run scripts on our pages."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<?xml", b"<svg", b"<!doctype svg", b"<!--"))


def accepted_formats() -> str:
    return message("problem.upload_refused.recovery", pictures=PICTURES, videos=VIDEOS, sounds=SOUNDS)


def refusal_reason(head: bytes) -> str:
    """Why a file that `sniff` does not recognise is refused, as a sentence."""
    if looks_like_svg(head):
        return message("problem.upload_svg")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    description = next((words for start, words in _REFUSED if text[: len(start)].lower() == start.lower()), None)
    description = description or foreign(text)
    if description is None:
        return message("problem.upload_unknown")
    return message("problem.upload_refused", description=description)


def hidden_content(content_type: str, tail: bytes) -> str | None:
    """What else an accepted file contains, such as "a ZIP archive"; `tail` is its last `TAIL_BYTES`.

    A ZIP archive is found by its end record, whatever precedes it (PKWARE APPNOTE 4.3.16). Other content is recognised
    by its first bytes after the end of the picture. The video that telephones append to photos is harmless, and unknown
    content is ignored.
    """
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and at + 22 + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail):
        return "a ZIP archive"
    end = _END_MARKERS.get(content_type)
    _, found, appended = tail.rpartition(end) if end else (b"", b"", b"")
    appended = appended.lstrip(b"\0 \t\r\n").lower() if found else b""
    return next((words for start, words in _APPENDED if appended.startswith(start)), None)


def safe_filename(filename: str | None, content_type: str) -> str:
    """A file name that is safe to show and to download: no path, no control characters, at most 150 characters."""
    base = (filename or "").replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in base if c.isprintable() and c not in '"<>|?*:').strip(" .")[:150]
    return kept or f"upload.{EXTENSIONS.get(content_type, 'bin')}"
