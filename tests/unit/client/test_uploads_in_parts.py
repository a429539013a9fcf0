"""A large file goes on where it broke: what arrived is not sent again."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from client.errors import ProblemError
from client.resources import uploads
from tests.unit.client.fake import Gateway, ok, refusal

CONTENT = bytes(range(256)) * 40
PART = 4000


class Receiver:
    """A gateway that receives in parts; `breaks`: the numbers of the PATCH requests that fail, and how."""

    def __init__(self, breaks: dict[int, httpx.Response | Exception]) -> None:
        self.received, self.patches, self.breaks, self.dropped = b"", 0, breaks, False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "DELETE":
            self.dropped = True
            return httpx.Response(204)
        if request.method == "PATCH":
            self.patches += 1
            if broken := self.breaks.get(self.patches):
                if isinstance(broken, Exception):
                    raise broken
                return broken
            offset = int(request.url.params["offset"])
            if offset != len(self.received):
                return refusal(409, "invalid-state", current=str(len(self.received)), allowed=[])
            self.received += request.content
        return ok(self.state)

    @property
    def state(self) -> dict[str, object]:
        done = len(self.received) == len(CONTENT)
        return {
            "id": "part-1",
            "size": len(CONTENT),
            "received": len(self.received),
            "part_size": PART,
            "upload": {"id": "up-1", "size": len(CONTENT)} if done else None,
        }


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(uploads, "IN_PARTS_FROM", 1000)
    path = tmp_path / "film.mov"
    path.write_bytes(CONTENT)
    return path


async def test_a_large_file_is_sent_in_parts(film: Path) -> None:
    receiver = Receiver({})
    gateway = Gateway(then=receiver)
    told: list[tuple[int, int | None]] = []
    upload = await gateway.client().uploads.create("p1", film, on_progress=lambda *p: told.append(p))
    assert (upload.id, receiver.received) == ("up-1", CONTENT)
    assert told == [(4000, 10240), (8000, 10240), (10240, 10240)]
    begun = gateway.requests[0]
    assert begun.url.path.endswith("/projects/p1/partial-uploads")
    assert json.loads(begun.content) == {"filename": "film.mov", "size": len(CONTENT)}


@pytest.mark.parametrize("broken", [httpx.ReadError("reset"), refusal(503, "unavailable"), refusal(500, "internal")])
async def test_it_goes_on_where_it_broke(film: Path, broken: httpx.Response | Exception) -> None:
    receiver = Receiver({2: broken, 3: broken})
    gateway = Gateway(then=receiver)
    upload = await gateway.client().uploads.create("p1", film)
    assert (upload.id, receiver.received, receiver.dropped) == ("up-1", CONTENT, False)
    sent = [int(r.url.params["offset"]) for r in gateway.requests if r.method == "PATCH"]
    assert sent.count(0) == 1, "what arrived is not sent again"
    assert gateway.slept, "it waits before it tries again"


async def test_a_file_that_is_refused_is_dropped_and_one_that_never_arrives_is_told(film: Path) -> None:
    receiver = Receiver({1: refusal(415, "unsupported-media-type")})
    with pytest.raises(ProblemError):
        await Gateway(then=receiver).client().uploads.create("p1", film)
    assert receiver.dropped
    away = Receiver(dict.fromkeys(range(1, 100), httpx.ReadError("reset")))
    with pytest.raises(Exception, match="reset"):
        await Gateway(then=away).client().uploads.create("p1", film)
    assert (away.patches, away.dropped) == (uploads.RETRY.attempts, False)
