"""Headers, cursors and ids as anybody may send them: each is read, ignored or refused in words, and nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from services.gateway.api.auth.media_signatures import MediaSigner
from services.gateway.api.headers import MAX_WAIT_S, Preference, accepts, if_match
from services.gateway.api.middleware.request_heads import MAX_HEADER, SESSION, SESSION_COOKIE, host_name, read_head
from services.gateway.api.problems import ProblemError
from services.gateway.api.ranges import Unsatisfiable, disposition, matches, parse_range, range_holds
from services.gateway.domain.event_log import BEGINNING, EventId, LogBounds, Place, ResetReason, resume_position
from services.gateway.domain.paging import decode_cursor, encode_cursor
from services.generator.providers.base import WebhookResult
from services.generator.providers.replicate.webhooks import webhook_receiver
from shared.core.clock import SystemClock
from tests.support.clock import FakeClock
from tests.support.fuzz_profile import fuzzed

LATIN = st.text(st.characters(max_codepoint=255), max_size=80)
"""What a header's value is after a server has decoded it."""
NUMBERS = st.one_of(st.integers(-5, 10**20).map(str), st.just("9" * 5000), st.just("0" * 5000 + "1"), st.just(""))
RANGES = st.builds("bytes={}-{}".format, NUMBERS, NUMBERS)


@fuzzed()
@given(value=st.one_of(st.none(), LATIN, RANGES), size=st.integers(0, 10**12))
@example(value="bytes=-0", size=0)
@example(value="bytes=0-" + "9" * 5000, size=10)
@example(value="bytes=²-", size=10)
def test_a_range_lies_within_its_file_or_is_none(value: str | None, size: int) -> None:
    try:
        found = parse_range(value, size)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found[0] <= found[1] < size


@fuzzed()
@given(value=LATIN, etag=st.sampled_from(('"7"', 'W/"7"', '""')))
def test_conditions_hold_or_do_not(value: str, etag: str) -> None:
    assert matches(value, etag) in (True, False)
    assert range_holds(value, etag) == (value.strip() == etag)
    assert matches(f"{value},*", etag)


@fuzzed()
@given(value=st.one_of(LATIN, NUMBERS.map('"{}"'.format)))
@example(value='"²"')
def test_if_match_is_a_revision_all_or_none(value: str) -> None:
    if not value.strip():
        with pytest.raises(ProblemError):
            asyncio.run(if_match(value))
        return
    found = asyncio.run(if_match(value))
    assert found is None or -1 <= found < 10**9


@fuzzed()
@given(value=st.one_of(LATIN, NUMBERS.map("wait={}".format), st.lists(LATIN, max_size=4).map(",".join)))
@example(value="wait=" + "9" * 5000)
@example(value="wait=²")
def test_a_preference_waits_no_longer_than_it_may(value: str) -> None:
    found = Preference(value)
    assert found.wait_s is None or 0 <= found.wait_s <= MAX_WAIT_S


def _request(**headers: str) -> Request:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw, "query_string": b""})


@fuzzed()
@given(value=LATIN)
def test_accept_is_met_or_refused(value: str) -> None:
    with suppress(ProblemError):
        accepts(_request(accept=value), "application/json")
    accepts(_request(accept=f"{value},*/*"), "application/json")


COOKIES = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda name, value: name + b"=" + value, st.sampled_from((b"retake_session", b"other", b"")), st.binary()
    ),
    st.lists(st.sampled_from((b'"', b"\\", b";", b"=", b"retake_session=", b" ", b"x")), max_size=60).map(b"".join),
)


@fuzzed()
@given(values=st.lists(COOKIES, max_size=4))
@example(values=[b"retake_session=" + b'"\\' * 8000])
@example(values=[b"retake_session=" + b"x" * (MAX_HEADER + 1)])
def test_our_cookie_is_a_token_or_nothing(values: list[bytes]) -> None:
    scope: dict[str, Any] = {"headers": [(b"cookie", value) for value in values] + [(b"host", b"x")]}
    if any(len(value) > MAX_HEADER for value in values):
        with pytest.raises(ProblemError):
            read_head(scope)
        return
    read_head(scope)
    assert scope["headers"] == [(b"host", b"x")]
    token = scope[SESSION]
    assert token is None or (re.fullmatch(r"[!-~]+", token) and not set(token) & set(' ",;\\'))
    assert token is None or any(f"{SESSION_COOKIE}={token}".encode() in value for value in values)


@fuzzed()
@given(value=st.one_of(LATIN, st.from_regex(r"[a-z0-9.\[\]:@/-]{0,40}", fullmatch=True)))
@example(value="127.0.0.1:18080@evil.com")
@example(value="[::1]:80")
def test_a_host_is_one_name(value: str) -> None:
    name = host_name(value)
    assert name is None or (value.lower().startswith(name) and not set(name) & set("@/\\ ?#"))


IDS = st.one_of(
    st.text(max_size=60),
    st.builds("{}.{}:{}".format, st.text(max_size=10), st.text(max_size=10), NUMBERS),
    st.builds("epoch.{}:{}".format, st.sampled_from(("a", "b", "")), st.integers(0, 60)),
)
BOUNDS = LogBounds("epoch", Place(10, "a"), Place(50, "a"), {20: "a", 21: "b"})


@fuzzed()
@given(text=IDS)
@example(text="epoch.a:²")
@example(text="epoch.a:" + "9" * 5000)
def test_a_stream_resumes_within_the_log_or_tells_why_not(text: str) -> None:
    found = resume_position(EventId.parse(text), BOUNDS)
    assert isinstance(found, ResetReason) or BOUNDS.pruned_to.seq <= found <= BOUNDS.last.seq


@fuzzed()
@given(epoch=st.uuids().map(str), tag=st.from_regex(r"[0-9a-f]{1,14}", fullmatch=True), seq=st.integers(0, 10**17))
def test_an_event_id_comes_back_as_it_went(epoch: str, tag: str, seq: int) -> None:
    assert EventId.parse(str(EventId(epoch, Place(seq, tag)))) == EventId(epoch, Place(seq, tag))
    assert EventId.parse(str(EventId(epoch, BEGINNING))) == EventId(epoch, BEGINNING)


@fuzzed()
@given(cursor=st.text(max_size=2000))
@example(cursor="wrI")  # base64 of U+0082, which no column holds
@example(cursor="A")
@example(cursor="é" * 1401)
def test_a_cursor_is_a_sort_key_or_a_value_error(cursor: str) -> None:
    try:
        found = decode_cursor(cursor)
    except ValueError:
        return
    assert found.isprintable()


@fuzzed()
@given(key=st.text(st.characters(exclude_categories=("C", "Z")), max_size=255))
def test_a_cursor_comes_back_as_it_went(key: str) -> None:
    assert decode_cursor(encode_cursor(key) or "") == key


@fuzzed()
@given(signature=st.text(max_size=120), media=st.text(max_size=60), expires=st.integers(0, 2**40))
def test_only_our_signature_opens_a_file(signature: str, media: str, expires: int) -> None:
    signer = MediaSigner("a secret", clock=FakeClock())
    assert signer.caller_of(media, signature, expires) is None
    assert signer.caller_of(media, signer.sign(media, "ana", expires), expires) == "ana"
    assert signer.caller_of(media + "x", signer.sign(media, "ana", expires), expires) is None


@fuzzed()
@given(filename=st.text(max_size=200))
def test_a_file_name_stays_within_its_header(filename: str) -> None:
    shown = disposition(filename, attachment=True)
    assert re.fullmatch(r"attachment; filename=\"[A-Za-z0-9 ._()-]*\"; filename\*=UTF-8''[A-Za-z0-9%._~-]*", shown)


HEADERS = st.dictionaries(
    st.sampled_from(("webhook-id", "webhook-timestamp", "webhook-signature")),
    st.one_of(LATIN, NUMBERS, st.just("v1,"), st.just("v1,AAAA"), st.just("v1,²")),
)


@fuzzed()
@given(headers=HEADERS, body=st.binary(max_size=100))
def test_a_webhook_of_a_stranger_is_forged(headers: Mapping[str, str], body: bytes) -> None:
    called: list[str] = []
    receive = webhook_receiver(["whsec_c2VjcmV0"], lambda found: bool(called.append(found)), SystemClock())
    now = str(int((SystemClock().now() - timedelta(0)).timestamp()))
    for given_headers in (headers, {"webhook-id": "m", **headers, "webhook-timestamp": now}):
        assert receive(httpx.Headers({k: v.encode() for k, v in given_headers.items()}), body) is WebhookResult.FORGED
    assert called == []
