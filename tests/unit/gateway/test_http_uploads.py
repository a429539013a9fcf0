"""What is uploaded is known by its first bytes; names are never trusted."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.gateway.domain.uploads import (
    EXTENSIONS,
    MAX_BYTES,
    looks_like_svg,
    media_kind,
    refusal_reason,
    safe_filename,
    sniff,
)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("GIF", "image/gif")],
)
def test_pictures(name: str, content_type: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, name)
    assert sniff(buffer.getvalue()[:64]) == content_type


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\0\0\0\x20ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x20ftypheic", "image/heic"),
        (b"\0\0\0\x20ftypavif", "image/avif"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3....matroska", "video/x-matroska"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"RIFF....AVI ", "video/x-msvideo"),
        (b"fLaC\0", "audio/flac"),
        (b"OggS\0", "audio/ogg"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90", "audio/mpeg"),
        (b"\xff\xf1\x50", "audio/aac"),
        (b"\xff\xe0", None),
        (b"\xff", None),
        (b"", None),
        (b"<svg", None),
        (b"%PDF", None),
        (b"PK\x03\x04", None),
        (b"#!/bin/sh", None),
        (b"BM", None),
    ],
)
def test_other_files(head: bytes, content_type: str | None) -> None:
    assert sniff(head) == content_type


@given(st.binary(max_size=64))
def test_whatever_is_sniffed_has_a_kind_an_extension_and_a_limit(head: bytes) -> None:
    content_type = sniff(head)
    if content_type is not None:
        assert content_type in EXTENSIONS
        assert media_kind(content_type) in MAX_BYTES


@pytest.mark.parametrize(
    "text",
    [b"<svg xmlns=''>", b"\xef\xbb\xbf  <?xml version='1.0'?><svg/>", b"<!-- x --><svg/>", b"<SVG>", b"<!DOCTYPE svg>"],
)
def test_svg_is_recognised_to_be_refused_by_name(text: bytes) -> None:
    assert looks_like_svg(text)
    assert sniff(text) is None


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"<svg>", "SVG"),
        (b"#EXTM3U\n", "playlist"),
        (b"ffconcat version 1.0", "playlist"),
        (b"%PDF-1.7", "PDF"),
        (b"<!DOCTYPE HTML><title>", "web page"),
        (b"PK\x03\x04", "archive"),
        (b"\0\0", "not an accepted image"),
    ],
)
def test_what_is_refused_is_named(head: bytes, name: str) -> None:
    assert sniff(head) is None
    assert name in refusal_reason(head)


@given(st.text(max_size=300))
def test_names_are_plain(name: str) -> None:
    found = safe_filename(name, "image/png")
    assert found
    assert len(found) <= 150
    assert not set(found) & set('/\\"<>|?*:\r\n\0')
    assert found not in (".", "..")
    assert found.isprintable()


def test_names_lose_their_path_and_keep_their_script() -> None:
    assert safe_filename("../../etc/passwd", "image/png") == "passwd"
    assert safe_filename("C:\\photos\\日本 1.jpg", "image/jpeg") == "日本 1.jpg"
    assert safe_filename(None, "audio/wav") == "upload.wav"
    assert safe_filename("/", "image/png") == "upload.png"
