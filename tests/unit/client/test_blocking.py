"""The blocking client has every call of the other one."""

from __future__ import annotations

import inspect
import threading

import pytest

from client import blocking, errors
from client.api import AsyncRetake
from client.resources.base import Resource
from tests.unit.client.fake import Gateway, frame, ok, refusal, stream


def groups(client: object) -> dict[str, object]:
    return {n: g for n, g in vars(client).items() if isinstance(g, Resource | blocking.Group)}


def test_every_call_has_its_blocking_twin() -> None:
    client = AsyncRetake.connect("http://127.0.0.1:1", "t")
    with blocking.Retake(client) as twin:
        assert groups(client).keys() == groups(twin).keys()
        for name, group in groups(client).items():
            calls = {n for n, f in inspect.getmembers(group, inspect.ismethod) if not n.startswith("_")}
            twins = {n for n, f in inspect.getmembers(groups(twin)[name], callable) if not n.startswith("_")}
            assert calls == twins, name


def test_results_errors_and_events_come_through() -> None:
    gateway = Gateway(
        ok({"id": "r1", "kind": "video", "status": "queued"}),
        refusal(409, "busy", active_id="r1"),
        stream(frame("progress", {"percent": 5}, "e:1"), frame("progress", {"percent": 9}, "e:2")),
    )
    before = set(threading.enumerate())
    with blocking.Retake(gateway.client()) as retake:
        assert retake.runs.get("r1").id == "r1"
        with pytest.raises(errors.Busy) as e:
            retake.assets.regenerate("a1", directions="x")
        assert e.value.active_id == "r1"
        for event in retake.events("p1"):
            if event.last_event_id == "e:2":
                break
    assert set(threading.enumerate()) <= before, "it leaves no thread behind"


def test_a_list_is_walked_page_by_page() -> None:
    pages = [
        ok({"data": [{"id": f"p{i}", "name": "P"} for i in at], "next_cursor": following})
        for at, following in (((1, 2), "more"), ((3,), None), ((1, 2), "more"))
    ]
    gateway = Gateway(*pages)
    with blocking.Retake(gateway.client()) as retake:
        assert [p.id for p in retake.projects.all()] == ["p1", "p2", "p3"]
        assert next(iter(retake.projects.all())).id == "p1"
    assert len(gateway.requests) == 3
