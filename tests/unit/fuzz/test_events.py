"""Records and streams as anybody who reaches the broker or the network may send them."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
from aiokafka import ConsumerRecord
from httpx_sse import EventSource
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from client.models.events import parse_event
from services.gateway.stream.subscriber import frame
from shared.contracts.envelope import BadEnvelope, Envelope
from shared.contracts.topics import MAX_RECORD_BYTES, TOPICS, Service
from shared.core.errors import Permanent
from shared.messaging.dead_letters import DeadLetter, content_of
from shared.messaging.events import read_message
from tests.support import events
from tests.support.fuzz_profile import damaged, fuzzed

NAMES = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_projectid", "ce_ownerid",
         "ce_correlationid", "ce_causationid", "content-type", "traceparent", "dlq_cause", "x")  # fmt: skip
BYTES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(lambda text: text.encode(errors="surrogatepass")),
    st.sampled_from((b"1.0", b"", b"2026-03-01T12:00:00+00:00", b"0001-01-01", b"9999-12-31T23:59:59-23:59", b"\0")),
)
GOOD = events.message(events.preview_ready())


@st.composite
def headers(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """Good ones with some replaced, missing or repeated."""
    made = dict(GOOD.envelope.headers())
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=4)):
        value = draw(st.one_of(st.none(), BYTES))
        if value is None:
            made.pop(name, None)
        else:
            made[name] = value
    found = list(made.items())
    return found + draw(st.lists(st.sampled_from(found), max_size=2)) if found else found


@fuzzed(2)
@given(raw=headers(), body=st.one_of(st.just(GOOD.event.model_dump_json().encode()), st.binary(max_size=60)))
@example(raw=[(n, v) for n, v in GOOD.envelope.headers() if n != "ce_id"], body=b"{}")
@example(raw=[*GOOD.envelope.headers(), ("ce_id", b"\xff")], body=b"{}")
def test_a_record_is_a_message_or_permanently_unreadable(raw: list[tuple[str, bytes]], body: bytes) -> None:
    with suppress(BadEnvelope):
        assert dict(Envelope.parse(raw).headers()) | dict(raw) == dict(Envelope.parse(raw).headers()) | dict(raw)
    with suppress(Permanent):
        found = read_message("preview-ready", raw, body)
        assert found.event == GOOD.event
        assert read_message("preview-ready", found.envelope.headers(), body) == found


@fuzzed()
@given(topic=st.sampled_from(sorted(TOPICS)), body=damaged(GOOD.event.model_dump_json().encode()))
@example(topic="preview-ready", body=b"[" * 100_000)
@example(topic="preview-ready", body=b'{"run_rev": ' + b"9" * 5000 + b"}")
def test_a_body_is_an_event_or_permanently_unreadable(topic: str, body: bytes) -> None:
    named = dict(GOOD.envelope.headers()) | {"ce_type": f"retake.{topic}.v1".encode()}
    with suppress(Permanent):
        assert topic == read_message(topic, list(named.items()), body).event.TOPIC


@fuzzed()
@given(
    key=st.one_of(st.none(), st.binary(max_size=60), st.just(b"\xff" * 5000)),
    body=st.one_of(st.none(), st.binary(max_size=200), st.just(b"\xff" * 800_000), st.just("é".encode() * 600_000)),
    raw=st.lists(st.tuples(st.text(max_size=20), st.one_of(st.none(), st.binary(max_size=60))), max_size=6),
    many=st.booleans(),
)
@example(key=b"k", body=b"\0", raw=[("dlq_cause", b"x"), ("\0", b"\0")], many=True)
def test_every_record_makes_a_letter_that_fits_a_record(
    key: bytes | None, body: bytes | None, raw: list[tuple[str, bytes | None]], many: bool
) -> None:
    if many:
        raw = raw + [(f"x{n}", b"\xff" * 900) for n in range(60)]
    record = ConsumerRecord("preview-ready", 0, 7, 0, 0, key, body, None, 0, 0, tuple(raw))
    letter = DeadLetter.of(record, Service.REVIEW, Permanent("bad", "x" * 5000), 1, datetime(2026, 3, 1, tzinfo=UTC))
    texts = [letter.key, letter.body, *letter.headers, *letter.headers.values(), *letter.cause.values()]
    assert sum(len(text.encode()) for text in texts) <= MAX_RECORD_BYTES + 48_000
    assert not any("\x00" in text for text in texts)
    kept = content_of(letter.body, letter.cause)
    assert kept == (body or b"") or ("truncated" in letter.cause and (body or b"").startswith(kept))


@fuzzed()
@given(
    name=st.one_of(st.sampled_from(("progress", "snapshot", "complete", "reset", "changed")), st.just("new-in-v2")),
    data=st.dictionaries(
        st.one_of(st.text(max_size=12), st.sampled_from(("run_id", "name", "data", "status"))),
        st.one_of(st.none(), st.text(max_size=30), st.integers(), st.lists(st.text(max_size=5))),
    ),
)
@example(name="progress", data={"message": "a\u2028b\r\nc\x85d"})
def test_what_the_gateway_streams_the_client_reads_whole(name: str, data: dict[str, Any]) -> None:
    """Also texts with line ends of any script, which split lines for some readers."""
    raw = frame(name, json.dumps(data, ensure_ascii=False), "e.1f:7")
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=raw)
    [seen] = list(EventSource(response).iter_sse())
    assert (seen.event, seen.id, json.loads(seen.data)) == (name, "e.1f:7", data)
    with suppress(ValidationError):
        assert parse_event(name, "e.1f:7", data).name == name
