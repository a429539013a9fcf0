"""Share links: one episode for whoever has the link, by every route, until it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from services.gateway.domain.accounts import Role
from tests.conftest import FreshDatabase
from tests.integration.test_gateway_http_access import SEGMENTS, TABLE, known, send
from tests.support.clock import ShiftedClock
from tests.support.gateway_http import Gateway, Stream, gateway

NOT_OF_EPISODES = ("/projects", "/imports", "/auth")


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=100_000) as made:
        yield made


async def share(g: Gateway, ids: dict[str, str], role: str = "viewer", **more: Any) -> dict[str, Any]:
    body = {"episode_id": ids["episode_id"], "role": role, "label": f"The {role}"} | more
    made = await g.client("owner").post(f"/projects/{ids['project_id']}/shares", json=body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def token(g: Gateway, link: dict[str, Any]) -> str:
    opened = await g.client(None).post("/auth/share", json={"token": link["url"].partition("#")[2]})
    assert opened.status_code == 200, opened.text
    return str(opened.json()["access_token"])


async def guest(g: Gateway, link: dict[str, Any]) -> httpx.AsyncClient:
    return g.client(None, Authorization=f"Bearer {await token(g, link)}")


async def test_a_guest_may_do_in_the_episode_what_the_role_allows_and_nothing_else(g: Gateway) -> None:
    ids = await known(g)
    other = (await g.client("owner").post(f"/projects/{ids['project_id']}/episodes", json={"title": "Other"})).json()
    callers = {role: await guest(g, await share(g, ids, role)) for role in ("viewer", "reviewer")}
    strangers = [await guest(g, await share(g, ids | {"episode_id": other["id"]}, role)) for role in callers]
    for row in TABLE:
        at = f"{row.method} {row.path}"
        absent = row.path.startswith(NOT_OF_EPISODES) or row.path == "/runs" or "{collection}" in row.path
        for stranger in strangers:
            refused = await send(stranger, row, ids)
            open_to_all = row.least is None and not absent
            assert open_to_all or refused.status_code == 404, f"{at} of another episode: {refused.text}"
        for role, caller in callers.items():
            response = await send(caller, row, ids)
            if absent:
                assert response.status_code == 404, f"{at} as {role}: {response.text}"
            elif not Role(role).at_least(row.least or Role.VIEWER):
                assert response.status_code == 403, f"{at} as {role}: {response.text}"
            elif at == "DELETE /notes/{note_id}":
                assert response.json()["detail"] == "Somebody else wrote this note."
            else:
                assert response.status_code not in (401, 403, 404, 500, 503), f"{at} as {role}: {response.text}"


async def test_media_open_for_the_guests_of_their_episode(g: Gateway) -> None:
    ids = await known(g)
    link = await share(g, ids)
    caller = await guest(g, link)
    url = (await caller.get(f"/versions/{ids['version_id']}")).json()["url"]
    nobody = g.client(None)
    assert (await nobody.get(url)).status_code == 410  # it is let in; the harness has no bytes
    other = (await g.client("owner").post(f"/projects/{ids['project_id']}/episodes", json={"title": "Other"})).json()
    elsewhere = await guest(g, await share(g, ids | {"episode_id": other["id"]}))
    assert (await elsewhere.get(f"/media/versions/{ids['version_id']}/content")).status_code == 404
    revoked = await g.client("owner").delete(f"/projects/{ids['project_id']}/shares/{link['id']}")
    assert revoked.status_code == 204
    assert (await nobody.get(url)).status_code == 404
    assert (await caller.get(f"/episodes/{ids['episode_id']}")).status_code == 404


async def test_a_guests_review_bears_the_links_name(g: Gateway) -> None:
    owner = g.client("owner")
    project = (await owner.post("/projects", json={"name": "P"})).json()["id"]
    episode = (await owner.post(f"/projects/{project}/episodes", json={"title": "E", "segments": SEGMENTS[:1]})).json()
    ids = {"project_id": project, "episode_id": episode["id"]}
    await owner.post(f"/assets/{episode['segments'][0]['assets']['starting_image']}/runs", json={})
    await g.world.settle()
    [run] = (await owner.get(f"/projects/{project}/runs?status=preview_ready")).json()["data"]
    link = await share(g, ids, "reviewer", label="Ana of the client")
    caller = await guest(g, link)
    decided = await caller.post(
        f"/runs/{run['id']}/review", json={"action": "approve"}, headers={"Prefer": "respond-async"}
    )
    assert decided.status_code in (200, 202), decided.text
    await g.world.settle()
    [review] = (await owner.get(f"/projects/{project}/reviews")).json()["data"]
    assert (review["user_id"], review["author"]) == (link["user_id"], "Ana of the client")
    assert (
        await owner.put(f"/projects/{project}/members/{link['user_id']}", json={"role": "owner"})
    ).status_code == 422


async def test_a_stream_of_the_episode_ends_when_the_link_is_revoked(g: Gateway) -> None:
    ids = await known(g)
    link = await share(g, ids)
    path, bearer = f"/episodes/{ids['episode_id']}/events", await token(g, link)
    other = (await g.client("owner").post(f"/projects/{ids['project_id']}/episodes", json={"title": "Other"})).json()
    async with (
        Stream(g.app, path, bearer) as stream,
        Stream(g.app, path, g.token("viewer")) as member,
        Stream(g.app, f"/projects/{ids['project_id']}/events", bearer) as whole,
        Stream(g.app, "/events", bearer) as all_projects,
    ):
        assert (stream.status, whole.status, all_projects.status) == (200, 404, 404)
        for episode in (other["id"], ids["episode_id"]):
            changed = await g.client("owner").patch(
                f"/episodes/{episode}", json={"title": "New"}, headers={"If-Match": "*"}
            )
            assert changed.status_code == 200
        for each in (stream, member):
            await each.until(lambda each=each: bool(each.named("changed")))
            assert [d["episode_id"] for d in each.named("changed")] == [ids["episode_id"]]
        place = next(i for i, name, _ in stream.events if name == "changed")
        await g.client("owner").delete(f"/projects/{ids['project_id']}/shares/{link['id']}")
        await stream.until(lambda: stream.sent[-1].get("more_body") is False)
        assert member.sent[-1].get("more_body") is True
    async with Stream(g.app, f"{path}?last_event_id={place}", bearer) as again:
        assert again.status == 404
    async with Stream(g.app, path, g.token("viewer"), {"last-event-id": str(place)}) as resumed:
        assert (resumed.status, resumed.named("snapshot", "changed")) == (200, [])


async def test_a_stream_of_the_episode_ends_with_the_link_and_not_with_its_quarter_of_an_hour(g: Gateway) -> None:
    ids = await known(g)
    g.app.state.gateway.hub._clock = clock = ShiftedClock()
    over = datetime.now(UTC) + timedelta(minutes=5)
    bearer = await token(g, await share(g, ids, expires_at=over.isoformat()))
    path = f"/episodes/{ids['episode_id']}/events"
    async with Stream(g.app, path, bearer) as stream, Stream(g.app, path, g.token("viewer")) as member:
        await stream.until(lambda: bool(stream.named("snapshot")))
        clock.move(301)
        await stream.until(lambda: stream.sent[-1].get("more_body") is False)
        assert member.sent[-1].get("more_body") is True


async def test_the_token_is_shown_once_and_stored_as_its_digest(g: Gateway) -> None:
    ids = await known(g)
    owner = g.client("owner")
    body = {"episode_id": ids["episode_id"], "role": "viewer", "label": "Client"}
    path, key = f"/projects/{ids['project_id']}/shares", {"Idempotency-Key": "one"}
    first, again = [await owner.post(path, json=body, headers=key) for _ in range(2)]
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json() == again.json()
    assert first.headers["location"] == f"/api/v1{path}/{first.json()['id']}"
    made = first.json()
    assert made["url"] == f"http://localhost/s#{made['token']}"
    assert len(made["token"]) == 43
    async with g.world.pool.acquire() as connection:
        for table in ("shares", "idempotency_keys", "event_log"):
            assert made["token"] not in str([dict(r) for r in await connection.fetch(f"select * from {table}")]), table
    listed = (await owner.get(f"{path}?episode_id={ids['episode_id']}")).json()["data"]
    assert [s["label"] for s in listed] == ["Client", "Spare"]
    assert "token" not in listed[0]


async def test_a_link_ends_when_it_is_over(g: Gateway) -> None:
    ids = await known(g)
    link = await share(g, ids, expires_at=(datetime.now(UTC) + timedelta(minutes=30)).isoformat())
    opened = (await g.client(None).post("/auth/share", json={"token": link["token"]})).json()
    assert 1700 < opened["expires_in"] <= 1800  # not the whole hour
    caller = await guest(g, link)
    async with g.world.pool.acquire() as connection:
        await connection.execute(
            "update shares set expires_at = now() - interval '1 s' where share_id = $1", link["id"]
        )
    assert (await caller.get(f"/episodes/{ids['episode_id']}")).status_code == 404
    closed = await g.client(None).post("/auth/share", json={"token": link["token"]})
    assert (closed.status_code, closed.json()["detail"]) == (404, "This link opens nothing.")
    assert "ask the person who sent it" in closed.json()["recovery"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": (datetime.now(UTC) + timedelta(days=91)).isoformat()}, "/expires_at"),
        ({"role": "editor"}, "/role"),
        ({"label": "  "}, "/label"),
    ],
)
async def test_what_a_link_may_not_be(g: Gateway, body: dict[str, str], pointer: str) -> None:
    owner = g.client("owner")
    project = (await owner.post("/projects", json={"name": "P"})).json()["id"]
    episode = (await owner.post(f"/projects/{project}/episodes", json={"title": "E"})).json()["id"]
    given = {"episode_id": episode, "role": "viewer", "label": "x"} | body
    refused = await owner.post(f"/projects/{project}/shares", json=given)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer)
    foreign = (await owner.post("/projects", json={"name": "Q"})).json()["id"]
    assert (await owner.post(f"/projects/{foreign}/shares", json=given | {"role": "viewer"})).status_code in (404, 422)


async def test_guessing_is_slow_and_a_subject_cannot_pretend_to_be_a_guest(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=200) as g:
        ids = await known(g)
        link = await share(g, ids)
        caller = await guest(g, link)
        for subject in (link["user_id"], "guest:x"):
            pretended = await g.client(subject).get(f"/episodes/{ids['episode_id']}")
            assert pretended.status_code == 401
        forged = g.client(None, Authorization=f"Bearer guest.{g.token(link['user_id'])}")
        assert (await forged.get(f"/episodes/{ids['episode_id']}")).status_code == 401
        guesses = [{"token": f"guess{n}"} for n in range(12)]
        answers = [(await g.client(None).post("/auth/share", json=guess)).status_code for guess in guesses]
        assert 8 <= answers.count(404) <= 10
        assert set(answers[answers.count(404) :]) == {429}
        assert (await caller.post("/auth/share", json=guesses[0])).status_code == 429  # whoever they are besides
