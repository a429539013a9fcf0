"""The steps of the workflow in their order; an interruption cancels the started work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from client.cleanup import cancel_on_error
from client.episode_watcher import EpisodeWatcher
from client.errors import Unreachable
from client.film_workflow import (
    Accept,
    Reject,
    WorkflowFailed,
    check_pictures,
    generate_missing,
    import_document,
    review_run,
    upload_pictures,
)
from client.models import Episode, Run
from client.script.document import Document
from client.script.pictures import check
from tests.unit.client.fake import Frames, Gateway, frame, ok, refusal

Route = Callable[[httpx.Request], httpx.Response]
EPISODE = {"id": "e1", "title": "T", "project_id": "p1", "cursor": "x:1",
           "segments": [{"id": "s1", "segment_number": 1}],
           "assets": [{"id": "v1", "kind": "video", "segment_id": "s1"}]}  # fmt: skip
RUN = {
    "id": "r1",
    "kind": "video",
    "status": "preview_ready",
    "segment_number": 1,
    "versions": [{"id": "ver1", "number": 1}],
}
PREVIEW = {"run_id": "r1", "asset_id": "v1", "kind": "video", "episode_id": "e1"}


class FakeWorkflow:
    """A fake gateway with responses by route, and an event stream that the test writes to."""

    def __init__(self, **routes: Any) -> None:
        self.routes = routes
        self.gateway = Gateway(then=self._answer)
        self.client = self.gateway.client()
        self.sent: asyncio.Queue[str] = asyncio.Queue()

    def tell(self, name: str, **data: Any) -> None:
        self.sent.put_nowait(frame(name, {"episode_id": "e1", **data}))

    def calls(self) -> list[str]:
        return [f"{r.method} {r.url.path.removeprefix('/api/v1')}" for r in self.gateway.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path.endswith("/events"):
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Stream(self.sent))
        answer = self.routes[f"{request.method} {path}"]
        found = answer(request) if callable(answer) else answer
        return found if isinstance(found, httpx.Response) else ok(found)


class _Stream(Frames):
    def __init__(self, queue: asyncio.Queue[str]) -> None:
        self._queue = queue

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        while True:
            yield (await self._queue.get()).encode()


def watcher(workflow: FakeWorkflow, **options: Any) -> EpisodeWatcher:
    return EpisodeWatcher(workflow.client, "p1", Episode.model_validate(EPISODE), **options)


async def accept(_: Run) -> Accept | Reject:
    return Accept(rating=5)


async def test_a_batch_is_reviewed_to_its_end() -> None:
    batch_now = {"id": "b1", "status": "waiting_review"}

    def decide(_: httpx.Request) -> httpx.Response:
        batch_now["status"] = "completed"
        workflow.tell("batch-updated", batch_id="b1", status="completed")
        return ok({"id": "w1", "verdict": "accepted"})

    workflow = FakeWorkflow(**{
        "POST /episodes/e1/batches": lambda _: ok(batch_now, 202),
        "GET /batches/b1": lambda _: ok(batch_now),
        "GET /runs/r1": RUN,
        "POST /runs/r1/review": decide,
    })  # fmt: skip
    decided: list[str | None] = []
    async with watcher(workflow) as watching:
        workflow.tell("batch-updated", batch_id="b1", status="waiting_review")
        workflow.tell("preview-ready", **PREVIEW)
        batch = await generate_missing(
            workflow.client, watching, accept, on_review=lambda _, review: decided.append(review.verdict)
        )
    assert batch.status == "completed"
    assert decided == ["accepted"]
    assert {"action": "approve", "version_id": "ver1", "rating": 5} in workflow.gateway.bodies
    assert {"mode": "sequential", "auto_approve": False, "deadline_minutes": None} in workflow.gateway.bodies
    assert "POST /batches/b1/cancel" not in workflow.calls()


async def test_an_end_that_no_event_tells_is_seen_anyway() -> None:
    statuses = iter(["running", "running", "completed"])
    workflow = FakeWorkflow(**{
        "POST /episodes/e1/batches": lambda _: ok({"id": "b1", "status": "running"}, 202),
        "GET /batches/b1": lambda _: ok({"id": "b1", "status": next(statuses)}),
    })  # fmt: skip
    async with watcher(workflow, poll_s=0.05) as watching:
        batch = await generate_missing(workflow.client, watching, None)
    assert batch.status == "completed"


async def test_an_interrupted_batch_is_cancelled() -> None:
    workflow = FakeWorkflow(**{
        "POST /episodes/e1/batches": lambda _: ok({"id": "b1", "status": "running"}, 202),
        "GET /batches/b1": {"id": "b1", "status": "running"},
        "POST /batches/b1/cancel": lambda _: ok({"id": "b1", "status": "cancelled"}, 202),
    })  # fmt: skip

    async def work() -> None:
        async with watcher(workflow) as watching:
            await generate_missing(workflow.client, watching, None)

    task = asyncio.create_task(work())
    while "GET /batches/b1" not in workflow.calls():
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert workflow.calls()[-1] == "POST /batches/b1/cancel"


async def test_an_interruption_while_the_request_is_on_its_way_stops_what_it_started() -> None:
    answered, stopped = asyncio.Event(), []

    async def start() -> str:
        await answered.wait()
        return "b1"

    async def stop(started: str) -> None:
        stopped.append(started)

    async def work() -> None:
        async with cancel_on_error(start(), stop):
            raise AssertionError("interrupted before")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stopped == ["b1"]


async def test_what_fails_while_stopping_does_not_hide_the_reason() -> None:
    async def start() -> str:
        return "b1"

    async def stop(_: str) -> None:
        raise Unreachable("gone")

    with pytest.raises(ValueError, match="the reason"):
        async with cancel_on_error(start(), stop):
            raise ValueError("the reason")


async def test_what_came_to_its_end_is_not_stopped() -> None:
    async def start() -> str:
        return "b1"

    async def stop(_: str) -> None:
        raise AssertionError("it had ended")

    async with cancel_on_error(start(), stop) as started:
        assert started == "b1"


async def test_a_stream_that_is_refused_ends_the_waiting() -> None:
    workflow = FakeWorkflow(**{
        "POST /episodes/e1/batches": lambda _: ok({"id": "b1", "status": "running"}, 202),
        "GET /batches/b1": {"id": "b1", "status": "running"},
        "POST /batches/b1/cancel": lambda _: ok({"id": "b1", "status": "cancelled"}, 202),
    })  # fmt: skip
    answer = workflow.gateway.then
    assert answer
    workflow.gateway.then = lambda r: refusal(403, "forbidden") if r.url.path.endswith("/events") else answer(r)
    with pytest.raises(Exception, match="forbidden"):
        async with watcher(workflow) as watching:
            await generate_missing(workflow.client, watching, None)
    assert workflow.calls()[-1] == "POST /batches/b1/cancel"


@pytest.mark.parametrize(
    "answer",
    [refusal(409, "already-decided", outcome="rejected"), refusal(409, "invalid-state"), refusal(404, "not-found")],
)
async def test_a_decision_that_came_too_late_is_no_failure(answer: httpx.Response) -> None:
    workflow = FakeWorkflow(**{"GET /runs/r1": RUN, "POST /runs/r1/review": answer})
    assert await review_run(workflow.client, "r1", accept) is None


async def test_a_run_that_waits_no_more_is_not_asked_about() -> None:
    workflow = FakeWorkflow(**{"GET /runs/r1": {**RUN, "status": "expired"}})
    assert await review_run(workflow.client, "r1", accept) is None


async def test_a_rejection_carries_its_changes() -> None:
    async def reject(_: Run) -> Accept | Reject:
        return Reject(feedback="too slow", changes={"prompt_modifications": "faster"})

    workflow = FakeWorkflow(**{"GET /runs/r1": RUN, "POST /runs/r1/review": {"id": "w1", "next_run_id": "r2"}})
    assert await review_run(workflow.client, "r1", reject)
    assert workflow.gateway.bodies == [
        {"action": "reject", "version_id": "ver1", "feedback": "too slow", "regenerate": True,
         "suggested_changes": {"prompt_modifications": "faster"}}
    ]  # fmt: skip


async def test_a_picture_used_twice_goes_up_once(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    a, b = check([tmp_path / "a.png", tmp_path / "b.png"])
    numbers = iter(range(9))
    workflow = FakeWorkflow(**{"POST /projects/p1/uploads": lambda _: ok({"id": f"u{next(numbers)}"}, 201)})
    document = Document.model_validate({"title": "T", "segments": [{}, {}, {}, {}]})
    reported: list[tuple[int, int | None]] = []
    made = await upload_pictures(workflow.client, "p1", document, {0: a, 1: b, 3: a}, lambda *p: reported.append(p))
    images = [s.get("starting_image") for s in made.as_json()["segments"]]
    assert images == [{"upload_id": "u0"}, {"upload_id": "u1"}, None, {"upload_id": "u0"}]
    total = (tmp_path / "a.png").stat().st_size + (tmp_path / "b.png").stat().st_size
    assert reported[-1] == (total, total)


async def test_an_import_that_fails_says_why() -> None:
    error = {"code": "x", "cause": "The picture is broken.", "recovery": "Upload another."}
    workflow = FakeWorkflow(**{
        "POST /projects/p1/imports": lambda _: ok({"id": "i1", "status": "failed", "error": error}, 202),
        "POST /imports/i1/cancel": refusal(409, "invalid-state"),
    })  # fmt: skip
    with pytest.raises(WorkflowFailed, match="The picture is broken") as e:
        await import_document(workflow.client, "p1", Document.model_validate({"title": "T", "segments": [{}]}))
    assert e.value.recovery == "Upload another."


def test_a_picture_that_did_not_get_in_is_no_detail() -> None:
    given = [{"starting_image": "a.png"}, {}, {"starting_image": "b.png"}]
    document = Document.model_validate({"title": "T", "segments": given})
    segments = [{"id": f"s{n}", "segment_number": n} for n in (1, 2, 3)]
    assets = [{"id": f"i{n}", "kind": "starting_image", "segment_id": f"s{n}"} for n in (1, 2, 3)]
    entered = [{**a, "committed": {"id": "v"}} for a in assets]

    def episode(images: list[dict[str, Any]]) -> Episode:
        return Episode.model_validate({"id": "e", "title": "T", "segments": segments, "assets": images})

    with pytest.raises(WorkflowFailed, match=r"segment 1, 3 could not be imported\. It was broken\."):
        check_pictures(episode(assets), document, ["It was broken."])
    check_pictures(episode(entered), document, [])
