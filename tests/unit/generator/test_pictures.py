"""What becomes of pictures of every kind; the code that a child process runs, run here."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from services.generator.media import picture_worker as pictures
from shared.core.errors import Permanent
from shared.media.file_type import Form, sniff
from tests.support.heic import heic


def encoded(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, options.pop("format", "JPEG"), **options)
    return out.getvalue()


def gradient(width: int = 320, height: int = 200) -> Image.Image:
    x = np.linspace(0, 255, width, dtype=np.uint8)
    rows = np.stack([np.tile(x, (height, 1)), np.full((height, width), 90, np.uint8), np.tile(x[::-1], (height, 1))], 2)
    return Image.fromarray(rows)


def sixteen_bits() -> Image.Image:
    return Image.fromarray(np.asarray(gradient().convert("L")).astype(np.uint16) * 257)


GOOD: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encoded(gradient()),
    "cmyk": lambda: encoded(gradient().convert("CMYK")),
    "rgba": lambda: encoded(gradient().convert("RGBA"), format="PNG"),
    "16 bits": lambda: encoded(sixteen_bits(), format="PNG"),
    "gif": lambda: encoded(gradient(), format="GIF", save_all=True, append_images=[gradient()] * 3),
    "webp": lambda: encoded(gradient(), format="WEBP"),
    "tiff": lambda: encoded(gradient(), format="TIFF"),
    "bmp": lambda: encoded(gradient(), format="BMP"),
    "avif": lambda: encoded(gradient(), format="AVIF"),
    "heic": lambda: heic(gradient()),
    "jpeg with a zip and a page behind it": lambda: encoded(gradient()) + b"PK\x03\x04<html><script>1</script></html>",
}


def ingest(tmp_path: Path, data: bytes) -> tuple[dict[str, Any], Image.Image]:
    source, out = tmp_path / "brought", tmp_path / "out.jpg"
    source.write_bytes(data)
    told = pictures.work({"path": str(source), "out": str(out), "poster": str(tmp_path / "poster.jpg")})
    return told, Image.open(out)


@pytest.mark.parametrize("name", list(GOOD))
def test_every_format_becomes_a_plain_jpeg_of_the_same_picture(tmp_path: Path, name: str) -> None:
    told, stored = ingest(tmp_path, GOOD[name]())
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (320, 200))
    assert (told["width"], told["height"]) == (320, 200)
    expected = gradient().convert("L").convert("RGB") if name == "16 bits" else gradient()
    difference = np.abs(np.asarray(stored).astype(int) - np.asarray(expected).astype(int)).mean()
    assert difference < 8, f"the colours moved by {difference:.1f}"
    assert sniff(tmp_path / "brought") is Form.PICTURE
    assert b"<script>" not in (tmp_path / "out.jpg").read_bytes()


def test_a_large_picture_is_made_smaller_and_keeps_its_shape(tmp_path: Path) -> None:
    _, stored = ingest(tmp_path, encoded(Image.new("RGB", (6000, 3000), (9, 80, 90))))
    assert stored.size == (4096, 2048)
    assert Image.open(tmp_path / "poster.jpg").size == (640, 320)


def huge_png() -> bytes:
    """100 bytes that claim 3.6 gigapixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    rest = chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rest


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(huge_png(), "image_too_large", id="bomb"),
        (encoded(Image.new("1", (15000, 15000)), format="PNG"), "image_too_large"),
        (encoded(gradient(8, 8)), "image_too_small"),
        (encoded(gradient())[:2000], "image_unreadable"),
        (b"", "image_unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", "image_unreadable"),
    ],
)
def test_what_cannot_be_a_picture_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(Permanent) as refused:
        ingest(tmp_path, data)
    assert refused.value.code == code
    assert refused.value.recovery


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b"\x00\x00\x00\x20ftypisom", Form.MP4),
        (b"\x00\x00\x00\x14ftypqt  ", Form.MP4),
        (b"\x00\x00\x00\x18ftypheic", Form.PICTURE),
        (b"\x00\x00\x00\x18ftypavif", Form.PICTURE),
        (b"\x1aE\xdf\xa3\x01", Form.MATROSKA),
        (b"RIFF\x00\x00\x00\x00AVI LIST", Form.AVI),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", Form.WAV),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", Form.PICTURE),
        (b"ID3\x04", Form.MP3),
        (b"\xff\xfb\x90\x64", Form.MP3),
        (b"fLaC", Form.FLAC),
        (b"OggS", Form.OGG),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', Form.SVG),
        (b"\n <!DOCTYPE html>", Form.WEB_PAGE),
        (b"#EXTM3U\nfile:///etc/passwd", Form.PLAYLIST),
        (b"ffconcat version 1.0\nfile /etc/passwd", Form.PLAYLIST),
        (b"PK\x03\x04", Form.ARCHIVE),
        (b"", Form.UNKNOWN),
    ],
)
def test_a_file_is_what_its_first_bytes_say(tmp_path: Path, head: bytes, form: Form) -> None:
    path = tmp_path / "file.mp4"
    path.write_bytes(head)
    assert sniff(path) is form
