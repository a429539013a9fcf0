"""The gateway's streams over a database that was put back to an earlier state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from services.gateway.domain.event_log import EventId
from tests.support.gateway_http import Gateway, Stream, gateway
from tests.support.memory import quick_directory
from tests.support.postgres import RestorablePostgres
from tests.support.waiting import eventually


async def test_numbers_that_a_restored_database_gives_again_are_not_taken_for_the_old_ones(tmp_path: Path) -> None:
    with quick_directory(tmp_path / "postgres") as directory:
        async with RestorablePostgres(directory) as server:
            url = await server.postgres.fresh("gateway")
            async with gateway(url, tmp_path) as g:
                await _check(server, g)


async def _check(server: RestorablePostgres, g: Gateway) -> None:
    client = g.client()
    project = (await client.post("/projects", json={"name": "P"})).json()["id"]
    path = f"/projects/{project}/events"
    episode = (await client.post(f"/projects/{project}/episodes", json={"title": "E"})).json()["id"]
    cursor = (await client.get(f"/episodes/{episode}")).json()["cursor"]
    await server.back_up()

    async with Stream(g.app, f"{path}?last_event_id={cursor}", g.token("ana")) as before:
        for n in range(3):
            await _rename(client, episode, f"Lost {n}")
        await before.until(lambda: len(before.named("changed")) == 3)
        await server.restore()
        for n in range(4):
            await _rename(client, episode, f"Kept {n}")
        await before.until(lambda: not before.sent[-1].get("more_body", True))
        assert len(before.named("changed")) == 3, "an event of the new past on a stream of the old one"
    lost = [event_id for event_id, _, _ in before.events if event_id][-1]
    reused = await g.world.pool.fetchval("select max(seq) from event_log")
    parsed = EventId.parse(lost)
    assert parsed is not None and parsed.place.seq <= reused, "the numbers were not given again: nothing is shown"

    async with Stream(g.app, f"{path}?last_event_id={lost}", g.token("ana")) as back:
        await back.until(lambda: back.named("snapshot"))
        assert [(name, data.get("reason")) for _, name, data in back.events[:1]] == [("reset", "epoch_changed")]
        await _rename(client, episode, "Live")
        await back.until(lambda: back.named("changed"))
    async with Stream(g.app, f"{path}?last_event_id={cursor}", g.token("ana")) as older:
        await older.until(lambda: len(older.named("changed")) == 5)
        assert not older.named("reset", "snapshot")


async def _rename(client: httpx.AsyncClient, episode: str, title: str) -> None:
    async def renamed() -> Any:
        current = await client.get(f"/episodes/{episode}")
        if current.status_code == 503:
            return None
        assert current.status_code == 200, current.text
        answer = await client.patch(
            f"/episodes/{episode}", json={"title": title}, headers={"If-Match": current.headers["etag"]}
        )
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    await eventually(renamed, what=f"the title {title}")
