"""What the gateway says has a code and arguments beside its text, wherever it is read: in another language it says the
same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from shared.contracts.messages import message
from tests.conftest import FreshDatabase
from tests.integration.test_gateway_http_access import SEGMENTS
from tests.support import events
from tests.support.gateway_http import Gateway, Stream, gateway


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=100_000) as made:
        yield made


def says(what: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Its code and arguments, from which its text follows."""
    assert what["message"] == message(what["message_code"], **what["message_args"]).strip()
    return what["message_code"], what["message_args"]


async def test_runs_steps_feed_batches_films_and_events_say_by_code_what_they_say(g: Gateway) -> None:
    api = g.client()
    project = (await api.post("/projects", json={"name": "P"})).json()["id"]
    made = await api.post(f"/projects/{project}/episodes", json={"title": "E", "segments": SEGMENTS})
    episode = made.json()["id"]
    async with Stream(g.app, f"/projects/{project}/events", g.token("ana")) as stream:
        batch = (await api.post(f"/episodes/{episode}/batches", json={"auto_approve": True})).json()
        await g.world.settle()
        film = (await api.post(f"/episodes/{episode}/compile", json={}, headers={"Prefer": "respond-async"})).json()[
            "compilation_job_id"
        ]
        await g.world.settle()
        await stream.until(lambda: [d for d in stream.named("film-updated") if d["status"] == "completed"])
    told = stream.named("progress", "regenerate-requested", "accepted", "complete", "film-updated", "batch-updated")
    assert len(told) > 20
    assert {
        ("run.started", "kind"),
        ("run.rendering", "kind"),
        ("review.accepted", "number"),
        ("complete.video", ""),
        ("run.segment_started", "number total"),
        ("batch.all_approved+batch.ready_to_compile", "approved total"),
        ("compile.queued", ""),
        ("compile.completed", ""),
    } <= {(code, " ".join(sorted(args))) for code, args in map(says, told)}
    [first, *_] = (await api.get(f"/projects/{project}/runs?kind=video")).json()["data"]
    assert says(first) == ("complete.video", {})
    assert [says(step)[0] for step in first["steps"]][:1] == ["run.queued"]
    feed = (await api.get(f"/projects/{project}/progress")).json()["data"]
    assert {"run.rendering", "run.committing"} <= {says(entry)[0] for entry in feed}
    assert says((await api.get(f"/batches/{batch['id']}")).json())[1] == {"approved": 2, "total": 2}
    assert says((await api.get(f"/compilation-jobs/{film}")).json()) == ("compile.completed", {})


async def test_a_failure_and_a_silent_worker_say_it_too(g: Gateway) -> None:
    api = g.client()
    project = (await api.post("/projects", json={"name": "P"})).json()["id"]
    made = await api.post(f"/projects/{project}/episodes", json={"title": "E", "segments": SEGMENTS[:1]})
    image = made.json()["segments"][0]["assets"]["starting_image"]
    g.world.services.fails = lambda _: True
    run = (await api.post(f"/assets/{image}/runs", json={})).json()
    async with Stream(g.app, f"/projects/{project}/events", g.token("ana")) as stream:
        await stream.until(lambda: bool(stream.named("snapshot")))
        assert says(stream.named("snapshot")[0]["runs"][0])[0] == "run.started"
        await g.world.settle()
        await stream.until(lambda: bool(stream.named("failed")))
    problem = events.problem(cause="The provider failed.")
    expected = ("run.failed", {"cause": problem.cause, "recovery": problem.recovery})
    assert says(stream.named("failed")[0]) == says((await api.get(f"/runs/{run['id']}")).json()) == expected
    again = (await api.post(f"/assets/{image}/runs", json={})).json()
    await g.world.pool.execute(
        "update runs set created_at = now() - interval '1 hour', heard_at = null where run_id = $1", again["id"]
    )
    assert says((await api.get(f"/runs/{again['id']}")).json()) == ("run.no_worker", {})
