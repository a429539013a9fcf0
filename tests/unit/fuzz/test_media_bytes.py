"""Files as they come from the network, from tools that crashed, and from those who mean harm."""

from __future__ import annotations

import io
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client.cli.provenance import _lines, read
from client.errors import ClientError
from services.compiler.rendering.mp4.samples import VideoIndex, read_video_index, strip_adts
from services.gateway.domain.uploads import hidden_content, safe_filename
from services.generator.media.mpeg_tags import remove_inner_tags
from services.generator.media.playability import index_is_first, is_truncated
from services.generator.media.wav_header import complete_header
from shared.core.errors import Permanent
from shared.media.c2pa import Claim, Ingredient, sign
from shared.media.file_type import Form, sniff
from shared.media.signing_identity import Identity, identity_from
from tests.support import films
from tests.support.fuzz_profile import damaged, fuzzed
from tests.support.http_client import photograph

SOON_S = 3.0


def adts(size: int) -> bytes:
    """An AAC frame of that many bytes after its header."""
    length = size + 7
    return (
        bytes((0xFF, 0xF1, 0x4C, 0x80 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC)) + b"x" * size
    )


@fuzzed(2)
@given(data=st.one_of(damaged(adts(40) * 5), st.binary(max_size=100)))
@example(data=adts(0)[:3] + b"\x80\x00\x1f\xfc" + b"x" * 50)  # a frame of no bytes: once without an end
@example(data=adts(40)[:-1])
def test_sound_without_its_headers_is_whole_or_refused(data: bytes) -> None:
    try:
        bare, sizes = strip_adts(data)
    except Permanent:
        return
    assert sum(sizes) == len(bare) == len(data) - 7 * len(sizes)


@fuzzed()
@given(
    sizes=st.lists(st.integers(0, 2**32), max_size=30),
    start=st.integers(0, 2**40),
    gaps=st.lists(st.integers(0, 3), max_size=30),
    extradata=st.binary(max_size=40),
)
def test_an_index_comes_back_as_it_was_stored(sizes: list[int], start: int, gaps: list[int], extradata: bytes) -> None:
    offsets, at = [], start
    for number, size in enumerate(sizes):
        offsets.append(at)
        at += size + (gaps[number] if number < len(gaps) else 0)
    index = VideoIndex(tuple(offsets), tuple(sizes), (0,), extradata)
    assert VideoIndex.from_json(index.to_json()) == index


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    films.video(path, seconds=0.5, size="64x36", tone=440, options=("-bf", "0", "-movflags", "+faststart"))
    return path.read_bytes()


@fuzzed()
@given(data=st.data())
def test_boxes_of_any_size_end(data: st.DataObject, clip: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data.draw(damaged(clip)))
    assert index_is_first(path) in (True, False)
    assert is_truncated(path) in (True, False)
    assert isinstance(sniff(path), Form)
    with suppress(Permanent):
        index = read_video_index(path, 24)
        assert index.keyframes[0] == 0
        assert all(size > 0 for size in index.sizes)


PARTS = (
    *(b"\0\0\0\x08free", b"\0\0\0\1mdat" + b"\xff" * 8, b"\0\0\0\0mdat", b"\0\0\0\1moov\0\0\0\0\0\0\0\x10"),
    *(b"\0\0\0\x09moof", b"\0\0\0\0", b"\0\0\0\7ftyp", b"ID3\4\0\0\0\0\0\0", b"ID3\4\0\x10" + b"\x7f" * 4),
    *(b"\xff\xfb\x90\0", b"TAG", b"APETAGEX", b"RIFF", b"WAVE", b"OggS", b"<svg", b"PK\3\4", b" "),
)
HEADS = st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join)


@fuzzed(2)
@given(head=HEADS, rest=st.binary(max_size=300))
@example(head=b"", rest=b"")
def test_any_first_bytes_are_of_some_form(head: bytes, rest: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(head + rest)
    assert isinstance(sniff(path), Form)
    assert index_is_first(path) in (True, False)
    assert is_truncated(path) in (True, False)
    if head + rest:
        remove_inner_tags(path)
        assert path.stat().st_size <= len(head + rest)
    hidden_content("image/jpeg", head + rest)


def test_a_file_of_nothing_but_tags_costs_little(tmp_path: Path) -> None:
    """Two million tags of ten bytes: each was looked at, on the way to a form and on the way to the sound."""
    path = tmp_path / "tags"
    path.write_bytes(b"ID3\4\0\0\0\0\0\0" * 2_000_000)
    begun = time.process_time()
    sniff(path)
    remove_inner_tags(path)
    assert time.process_time() - begun < SOON_S
    frame = b"\xff\xfb\x90\0" + bytes(413)
    path.write_bytes(frame + b"ID3\4\0\0\0\0\0\0" * 2_000_000 + frame)
    begun = time.process_time()
    remove_inner_tags(path)
    assert time.process_time() - begun < SOON_S


def wav(data: bytes, *, riff: int, size: int, block: int = 2) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, block, 16)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
        + data
    )


OPEN = wav(b"ab" * 50, riff=0xFFFFFFFF, size=0xFFFFFFFF)
LARGE = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, 2**64 - 1, 2**64 - 1, 0, 0) + OPEN[12:]


@fuzzed(2)
@given(raw=st.one_of(damaged(OPEN), damaged(LARGE), st.binary(max_size=100)))
@example(raw=wav(b"x", riff=0, size=0, block=65535))
@example(raw=LARGE[:60])
def test_an_open_header_is_completed_once(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(raw)
    changed = complete_header(path)
    after = path.read_bytes()
    assert len(after) <= max(len(raw), 8)
    assert changed or after == raw
    assert not complete_header(path) or path.read_bytes() == after


@fuzzed()
@given(filename=st.one_of(st.none(), st.text(max_size=300)))
@example(filename="../../etc/passwd")
@example(filename="a\u202egpj.exe")
def test_a_file_name_is_a_name(filename: str | None) -> None:
    name = safe_filename(filename, "image/png")
    assert 0 < len(name) <= 150
    assert not set(name) & set('/\\"<>|?*:\r\n\0')
    assert name not in (".", "..")


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity_from(None, None, tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> bytes:
    folder = tmp_path_factory.mktemp("signed")
    (folder / "in.jpg").write_bytes(photograph(64, 36))
    sign(folder / "in.jpg", folder / "out.jpg", Claim("A harbour", "image/jpeg", "algorithmicMedia"), identity)
    return (folder / "out.jpg").read_bytes()


@fuzzed(0.6)
@given(data=st.data())
def test_damaged_credentials_are_told_and_never_valid_again(data: st.DataObject, signed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(raw := data.draw(damaged(signed)))
    with suppress(ClientError):
        found = read(path)
        assert _lines(found)
        assert found["state"] in ("none", "invalid", "valid", "trusted")
        assert found["state"] in ("none", "invalid") or raw == signed or _is_appended(raw, signed)


def _is_appended(raw: bytes, signed: bytes) -> bool:
    """What follows the end of a picture is not part of it."""
    return raw.startswith(signed)


@fuzzed(0.4)
@given(data=st.data())
def test_a_damaged_ingredient_is_named_and_stops_no_signature(
    data: st.DataObject, signed: bytes, identity: Identity, tmp_path: Path
) -> None:
    part, whole, out = tmp_path / "part.jpg", tmp_path / "whole.jpg", tmp_path / "out.jpg"
    part.write_bytes(data.draw(damaged(signed)))
    whole.write_bytes(io.BytesIO(photograph(64, 36)).getvalue())
    claim = Claim("A film", "image/jpeg", "composite", ingredients=[Ingredient("part", "image/jpeg", part)])
    sign(whole, out, claim, identity)
    found = read(out)
    assert found["state"] == "valid"
    assert [ingredient["title"] for ingredient in found["ingredients"]] == ["part"]
