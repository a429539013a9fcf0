"""The event stream: resumed without a gap, whatever happens to the connection."""

from __future__ import annotations

import httpx
import pytest

from client import errors
from client.events import EventStream
from client.models import events
from tests.unit.client.fake import Gateway, frame, refusal, stream


def progress(percent: int) -> dict[str, object]:
    return {"project_id": "p1", "run_id": "r1", "kind": "video", "segment_number": 2, "percent": percent,
            "step": "render", "status": "generating", "message": "Rendering", "new_field": 1}  # fmt: skip


async def collect(stream_: EventStream, count: int) -> list[events.Event]:
    found = []
    async with stream_:
        async for event in stream_:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_events_are_typed() -> None:
    gateway = Gateway(stream("retry: 2000\n\n", frame("progress", progress(40), "e:7"), ": comment\n\n",
                             frame("heartbeat", {}), frame("novelty", {"a": 1}, "e:9")))  # fmt: skip
    first, second = await collect(gateway.client().events("p1"), 2)
    assert isinstance(first, events.Progress)
    assert (first.percent, first.segment_number, first.last_event_id) == (40, 2, "e:7")
    assert type(second) is events.Event
    assert (second.name, second.data, second.last_event_id) == ("novelty", {"a": 1}, "e:9")
    assert gateway.requests[0].url.path == "/api/v1/projects/p1/events"
    assert gateway.requests[0].headers["Accept"] == "text/event-stream"
    assert gateway.requests[0].extensions["timeout"]["read"] == 45.0


async def test_it_resumes_after_the_last_event_it_handed_out() -> None:
    whole = frame("progress", progress(2), "e:2")
    gateway = Gateway(
        stream("retry: 2000\n\n", frame("progress", progress(1), "e:1"), whole[:-1], httpx.ReadError("reset")),
        stream(whole, frame("progress", progress(3), "e:3")),  # the server ends it
        httpx.ConnectError("refused"),
        httpx.ConnectError("refused"),
        stream(frame("progress", progress(4), "e:4")),
    )
    connected: list[bool] = []
    found = await collect(gateway.client().events("p1", "e:0", on_connection=connected.append), 4)
    assert [e.last_event_id for e in found] == ["e:1", "e:2", "e:3", "e:4"]
    sent = [r.headers["Last-Event-ID"] for r in gateway.requests]
    assert sent == ["e:0", "e:1", "e:3", "e:3", "e:3"]
    assert connected == [True, False, True, False, False, False, True]
    assert gateway.slept == [2.0, 2.0, 2.0, 2.0]  # the server's `retry`, then no sooner than that


async def test_pauses_grow_while_nothing_answers_and_start_afresh_once_something_does() -> None:
    gateway = Gateway(*[httpx.ConnectError("refused")] * 6, stream(frame("progress", progress(1), "e:1")),
                      httpx.ConnectError("refused"), stream(frame("progress", progress(2), "e:2")))  # fmt: skip
    await collect(gateway.client().events("p1"), 2)
    assert gateway.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 0.0, 0.5]


async def test_overload_is_waited_out_as_long_as_the_server_says() -> None:
    gateway = Gateway(stream("retry: 10000\n\n"), stream(frame("progress", progress(1), "e:1")))
    await collect(gateway.client().events("p1"), 1)
    assert gateway.slept == [10.0]


async def test_a_reset_forgets_the_place_and_is_handed_out() -> None:
    gateway = Gateway(
        stream(frame("reset", {"reason": "too_old"}), httpx.ReadError("reset")),
        stream(frame("snapshot", {"runs": [{"id": "r1"}], "batches": [], "compilations": []}, "f:9")),
    )
    listening = gateway.client().events("p1", "e:1")
    first, second = await collect(listening, 2)
    assert isinstance(first, events.Reset)
    assert first.reason == "too_old"
    assert isinstance(second, events.Snapshot)
    assert "Last-Event-ID" not in gateway.requests[1].headers
    assert listening.last_event_id == "f:9"


async def test_an_event_without_a_place_does_not_move_it() -> None:
    gateway = Gateway(stream(frame("progress", progress(1), "e:1"), frame("progress", progress(2)),
                             httpx.ReadError("reset")), stream(frame("progress", progress(3), "e:3")))  # fmt: skip
    found = await collect(gateway.client().events("p1"), 3)
    assert [e.last_event_id for e in found] == ["e:1", None, "e:3"]
    assert gateway.requests[1].headers["Last-Event-ID"] == "e:1"


async def test_a_silent_connection_is_given_up() -> None:
    gateway = Gateway(stream(httpx.ReadTimeout("45 s of silence")), stream(frame("progress", progress(1), "e:1")))
    assert len(await collect(gateway.client().events("p1"), 1)) == 1


async def test_a_refusal_ends_it_and_a_busy_gateway_does_not() -> None:
    gateway = Gateway(refusal(503, "unavailable", after=3), refusal(429, "rate-limited", after=40),
                      refusal(404, "not-found"))  # fmt: skip
    with pytest.raises(errors.NotFound):
        await collect(gateway.client().events("p1"), 1)
    assert gateway.slept == [3.0, 40.0]


async def test_patience_ends() -> None:
    gateway = Gateway(then=lambda _: httpx.ConnectError("refused"))
    with pytest.raises(errors.Unreachable):
        await collect(gateway.client().events("p1", unreachable_s=10), 1)
    assert sum(gateway.slept) <= 10


async def test_a_refused_token_is_renewed_once() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/auth/token":
            return httpx.Response(200, json={"access_token": "fresh"})
        if request.headers.get("Authorization") == "Bearer fresh":
            return stream(frame("progress", progress(1), "e:1"))
        return refusal(401, "unauthenticated")

    gateway = Gateway(then=answer)
    assert len(await collect(gateway.client(None).events("p1"), 1)) == 1


async def test_a_page_that_is_no_stream_is_not_taken_for_one() -> None:
    gateway = Gateway(then=lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(errors.Unreachable, match="text/event-stream"):
        await collect(gateway.client().events("p1", unreachable_s=1), 1)


async def test_all_of_the_users_projects() -> None:
    gateway = Gateway(stream(frame("complete", {"run_id": "r1", "kind": "music"}, "e:1")))
    [event] = await collect(gateway.client().events(), 1)
    assert isinstance(event, events.Complete)
    assert gateway.requests[0].url.path == "/api/v1/events"
