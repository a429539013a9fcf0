"""Signatures, ranges, file names, files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.api.auth.media_signatures import MediaSigner
from services.gateway.api.files import CHUNK, read_file
from services.gateway.api.ranges import Unsatisfiable, disposition, matches, parse_range, range_holds
from services.gateway.domain.links import Links
from tests.support.clock import FakeClock

MEDIA = "versions/01980000-0000-7000-8000-000000000001/content"


def signer(clock: FakeClock, secret: str = "s" * 32) -> MediaSigner:
    return MediaSigner(secret, clock=clock)


@given(st.integers(0, 7200))
def test_a_grant_lasts_one_to_two_hours_and_stays_the_same_within_an_hour(passed: int) -> None:
    clock = FakeClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))
    before = signer(clock).expiry()
    clock.move(passed)
    now, after = clock.now().timestamp(), signer(clock).expiry()
    assert 3600 <= after - now <= 7200
    assert (after == before) == (passed < 3600)


def test_signatures_of_an_older_secret_are_accepted_while_it_is_rotated() -> None:
    clock = FakeClock()
    old, new = "o" * 32, "n" * 32
    expires = signer(clock).expiry()
    rotating = MediaSigner(new, old, clock=clock)
    assert rotating.caller_of(MEDIA, signer(clock, old).sign(MEDIA, "ana", expires), expires) == "ana"
    assert signer(clock, new).caller_of(MEDIA, rotating.sign(MEDIA, "ana", expires), expires) == "ana"
    assert rotating.caller_of(MEDIA, signer(clock, "x" * 32).sign(MEDIA, "ana", expires), expires) is None


def test_a_signature_opens_one_object_for_one_caller_until_it_expires() -> None:
    clock = FakeClock()
    s = signer(clock)
    expires = s.expiry()
    signature = s.sign(MEDIA, "ana", expires)
    assert s.caller_of(MEDIA, signature, expires) == "ana"
    assert not s.is_over(expires)
    assert s.caller_of(MEDIA.replace("content", "poster"), signature, expires) is None
    assert s.caller_of(MEDIA, signature, expires + 3600) is None
    assert signer(clock, "t" * 32).caller_of(MEDIA, signature, expires) is None
    someone = s.sign(MEDIA, "bob", expires).partition(".")[0] + "." + signature.partition(".")[2]
    assert s.caller_of(MEDIA, someone, expires) is None
    clock.move(2 * 3600)
    assert s.is_over(expires)


@given(st.text(max_size=80))
def test_no_text_passes_for_a_signature(text: str) -> None:
    assert signer(FakeClock()).caller_of(MEDIA, text, 10**10) is None


@given(st.text(min_size=1, max_size=60))
def test_any_subject_can_be_a_caller(user_id: str) -> None:
    s = signer(FakeClock())
    if any("\ud800" <= c <= "\udfff" for c in user_id):
        return  # no UTF-8, so no token carries it
    assert s.caller_of(MEDIA, s.sign(MEDIA, user_id, 5), 5) == user_id


def test_a_url_changes_exactly_when_the_media_do() -> None:
    clock = FakeClock()
    s = signer(clock)

    def links() -> Links:
        return Links("http://localhost:8080", "ana", s.expiry(), s.sign)

    version = "01980000-0000-7000-8000-000000000001"
    at = datetime(2026, 3, 1, 11, 0, 0, 5, tzinfo=UTC)
    url = links().committed("versions", version, "content", at)
    clock.move(600)
    assert links().committed("versions", version, "content", at) == url
    assert links().committed("versions", version, "content", at.replace(microsecond=6)) != url
    assert parse_qs(urlsplit(url).query)["v"] == ["2026-03-01T11:00:00.000005Z"]
    preview = links().preview(version, "content")
    assert set(parse_qs(urlsplit(preview).query)) == {"preview", "exp", "sig"}
    assert urlsplit(preview).path == urlsplit(url).path


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        ("bytes=0-99", (0, 99)),
        ("bytes=900-", (900, 999)),
        ("bytes=-100", (900, 999)),
        ("bytes=-5000", (0, 999)),
        ("bytes=0-5000", (0, 999)),
        ("Bytes = 1-1", (1, 1)),
        ("bytes=5-1", None),
        ("bytes=0-1,5-9", None),
        ("items=0-1", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
    ],
)
def test_ranges(value: str | None, found: tuple[int, int] | None) -> None:
    assert parse_range(value, 1000) == found


@pytest.mark.parametrize(
    ("value", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_ranges_outside_of_the_file(value: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(value, size)


@given(st.integers(1, 10_000), st.integers(0, 12_000), st.none() | st.integers(0, 12_000))
def test_a_range_never_leaves_the_file(size: int, first: int, last: int | None) -> None:
    try:
        found = parse_range(f"bytes={first}-{'' if last is None else last}", size)
    except Unsatisfiable:
        assert first >= size
        return
    if found is None:
        assert last is not None and last < first
        return
    assert found[0] == first <= found[1] < size
    assert last is None or found[1] <= last


def test_conditions() -> None:
    assert matches('W/"a", "b"', '"b"')
    assert matches("*", '"b"')
    assert matches('W/"b"', '"b"')
    assert not matches(None, '"b"')
    assert not matches('"a"', '"b"')
    assert range_holds(None, '"b"')
    assert range_holds('"b"', '"b"')
    assert not range_holds('W/"b"', '"b"')
    assert not range_holds("Wed, 21 Oct 2026 07:28:00 GMT", '"b"')


def test_file_names_are_safe_and_true() -> None:
    header = disposition('Früh "stück"\r\n; 日本.mp4', attachment=True)
    assert header.startswith('attachment; filename="Fr_h _st_ck_')
    assert header.isascii()
    assert "\r" not in header
    assert header.endswith("%E6%97%A5%E6%9C%AC.mp4")
    assert disposition("a.mp4", attachment=False).startswith("inline")


async def test_a_file_is_read_in_chunks_from_anywhere(tmp_path: Path) -> None:
    data = bytes(range(256)) * (CHUNK // 128)
    path = tmp_path / "file"
    path.write_bytes(data)
    chunks = [c async for c in read_file(path, 3, len(data) - 10)]
    assert b"".join(chunks) == data[3:-7]
    assert max(map(len, chunks)) == CHUNK
    assert b"".join([c async for c in read_file(path, len(data) - 5, 100)]) == data[-5:]
    with pytest.raises(FileNotFoundError):
        await anext(read_file(tmp_path / "missing", 0, 1))
