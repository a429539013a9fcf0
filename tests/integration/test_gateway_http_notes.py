"""Notes over a real database: who may do what, what the stream tells, and where they end up."""

from __future__ import annotations

from typing import Any

from services.gateway.api.schemas.notes import Note
from services.gateway.domain.notes import MAX_NOTES
from tests.integration.test_gateway_http_loop import an_episode, asset, ok
from tests.support.gateway_http import Gateway, Stream
from tests.support.gateway_shapes import same_shape

ANY_VERSION = {"If-Match": "*"}


async def test_notes_from_the_first_word_to_the_film(g: Gateway) -> None:
    ana = g.client()
    project, episode = await an_episode(g, ana)
    for user, role in (("rob", "reviewer"), ("rea", "reviewer")):
        await g.client(user).get("/me")
        await ok(await ana.put(f"/projects/{project}/members/{user}", json={"role": role}))
    rob, rea = g.client("rob"), g.client("rea")
    run = await a_preview(g, ana, asset(episode, "starting_image"))
    await ok(
        await ana.post(f"/runs/{run['id']}/review", json={"action": "approve"}, headers={"Prefer": "respond-async"}),
        202,
    )
    await g.world.settle()
    run = await a_preview(g, ana, asset(episode, "video"))
    version = run["versions"][0]["id"]
    notes = f"/versions/{version}/notes"

    async with Stream(g.app, f"/projects/{project}/events?last_event_id={episode['cursor']}", g.token("ana")) as stream:
        box = {"x": 0.1, "y": 0.7, "width": 0.2, "height": 0.2}
        late = await ok(await rob.post(notes, json={"at": 1, "until": 1.5, "text": " Too slow ", "box": box}), 201)
        same_shape(Note, late)
        assert (late["text"], late["user_id"], late["resolved"], late["box"]) == ("Too slow", "rob", False, box)
        assert late["change"] == "From 1.0 s to 1.5 s, in the bottom left of the picture: Too slow"
        early = await ok(await rea.post(notes, json={"at": 0.5, "text": "更强调角色的眼镜特征"}), 201)
        assert [n["id"] for n in (await ok(await ana.get(notes)))["data"]] == [early["id"], late["id"]]
        await stream.until(lambda: len([d for d in stream.named("changed") if d["resource"] == "note"]) == 2)
        told = [d for d in stream.named("changed") if d["resource"] == "note"]
        assert [(d["id"], d["version_id"], d["actor"]["user_id"]) for d in told] == [
            (late["id"], version, "rob"),
            (early["id"], version, "rea"),
        ]

    refused = await rea.patch(f"/notes/{late['id']}", json={"text": "Fine"}, headers=ANY_VERSION)
    assert (refused.status_code, refused.json()["detail"]) == (403, "Somebody else wrote this note.")
    assert (await rea.delete(f"/notes/{late['id']}")).status_code == 403
    moved = await ok(await rob.patch(f"/notes/{late['id']}", json={"until": None}, headers={"If-Match": '"1"'}))
    assert (moved["until"], moved["at"], moved["revision"]) == (None, 1, 2)
    stale = await rob.patch(f"/notes/{late['id']}", json={"at": 0}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    outside = await rob.patch(f"/notes/{late['id']}", json={"at": 3000}, headers=ANY_VERSION)
    assert (outside.status_code, outside.json()["errors"][0]["pointer"]) == (422, "/at")
    done = await ok(await rea.patch(f"/notes/{early['id']}", json={"resolved": True}, headers=ANY_VERSION))
    assert (done["resolved"], done["resolved_by"]) == (True, "rea")

    strange = await rob.post(f"/runs/{run['id']}/review", json={"action": "approve", "note_ids": [late["id"], project]})
    assert strange.json()["errors"] == [
        {"pointer": "/note_ids/1", "detail": "note_ids[1] is not a note about this version."}
    ]
    decision = {"action": "approve", "note_ids": [late["id"]]}
    review = await ok(
        await rob.post(f"/runs/{run['id']}/review", json=decision, headers={"Prefer": "respond-async"}), 202
    )
    assert review["note_ids"] == [late["id"]]
    await g.world.settle()

    film = await ok(await ana.post(f"/episodes/{episode['id']}/compile", json={}), 202)
    request = await g.world.row(
        "select request from compilations where compilation_id = $1", film["compilation_job_id"]
    )
    pinned = [(n["version_id"], n["at"], n["text"], n["by"]) for n in request["request"]["notes"]]
    assert pinned == [(version, 1, "Too slow", "rob")]  # the resolved one is done with

    assert (await rob.delete(f"/notes/{late['id']}")).status_code == 204
    assert (await ana.delete(f"/notes/{early['id']}")).status_code == 204  # an owner
    assert (await ok(await ana.get(notes)))["data"] == []
    assert (await rob.get(f"/notes/{late['id']}")).status_code == 404


async def test_a_version_has_a_bounded_number_of_notes(g: Gateway) -> None:
    api = g.client()
    _, episode = await an_episode(g, api)
    run = await a_preview(g, api, asset(episode, "starting_image"))
    version = run["versions"][0]["id"]
    await g.world.pool.execute(
        "insert into notes (note_id, project_id, episode_id, asset_id, version_id, at, text, user_id, created_at, "
        "updated_at) select gen_random_uuid(), project_id, episode_id, asset_id, version_id, 0, 'x', 'ana', now(), "
        "now() from versions, generate_series(1, $2) where version_id = $1",
        version,
        MAX_NOTES,
    )
    refused = await api.post(f"/versions/{version}/notes", json={"text": "One more"})
    assert (refused.status_code, refused.json()["recovery"]) == (409, "Delete notes that are done.")
    empty = await api.post(f"/versions/{version}/notes", json={"text": "  "})
    assert (empty.status_code, empty.json()["errors"][0]["pointer"]) == (422, "/text")


async def a_preview(g: Gateway, api: Any, asset_id: str) -> Any:
    run = await ok(await api.post(f"/assets/{asset_id}/runs", json={}), 202)
    await g.world.settle()
    return await ok(await api.get(f"/runs/{run['id']}"))
