"""The client has a method for every route that the gateway publishes: found by calling each method."""

from __future__ import annotations

import inspect
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Unpack, get_origin

import httpx

from client.api import AsyncRetake
from client.errors import ClientError
from client.resources.base import Listing, Resource
from tests.unit.client.fake import Frames, Gateway, stream

OPENAPI = json.loads((Path(__file__).parents[3] / "docs" / "api" / "openapi.json").read_text())


def published() -> dict[tuple[str, str], dict[str, Any]]:
    """Operations by method and path."""
    methods = ("get", "put", "post", "patch", "delete")
    return {(m.upper(), p): o for p, item in OPENAPI["paths"].items() for m, o in item.items() if m in methods}


def operation(request: httpx.Request) -> tuple[str, str] | None:
    """The published operation that this request is; a path without a parameter comes before one with."""
    requested = request.url.raw_path.decode().partition("?")[0]
    for method, path in sorted(published(), key=lambda o: o[1].count("{")):
        if method == request.method and re.fullmatch(re.sub(r"\\?\{\w+\\?\}", "[^/]+", re.escape(path)), requested):
            return method, path
    return None


def made_up(call: Any, target: Path) -> dict[str, Any]:
    """A value for each argument, also those that could be left out: what is sent then must be known too."""
    known: dict[str, Any] = {
        "content": b"x", "content_type": "image/png", "target": target, "wait_s": 2, "document": {}, "changes": {},
        "settings": {}, "output": {}, "suggested_changes": {}, "segments": [], "segment_ids": [], "transitions": [],
        "audio_config": {}, "segment": {}, "targets": [], "transition_after": {}, "revision": 1, "skip": [],
        "skip_held": True, "regenerate": True, "auto_approve": True,
        "keep_original": True, "start_from": 1, "batch_size": 1, "variants": 2, "rating": 5, "max_items": 1,
        "deadline_minutes": 5, "scene_threshold": 0.5, "on_progress": None,
        "note_ids": ["n"], "box": {}, "resolved": True, "rendition": "content", "offset": 3, "size": 9,
    }  # fmt: skip
    parameters = inspect.signature(call, eval_str=True).parameters.values()
    return {p.name: known.get(p.name, "x") for p in parameters if get_origin(p.annotation) is not Unpack}


async def asked_by_every_method(target: Path) -> list[tuple[str, httpx.Request]]:
    gateway = Gateway(then=lambda _: httpx.Response(200, stream=Frames([b"{}"])))
    client = gateway.client()
    requested: list[tuple[str, httpx.Request]] = []
    for name, group in vars(client).items():
        if not isinstance(group, Resource):
            continue
        for verb, call in inspect.getmembers(group, inspect.ismethod):
            if verb.startswith("_"):
                continue
            before = len(gateway.requests)
            with suppress(ClientError):  # the answer is none
                await call(**made_up(call, target))
            assert len(gateway.requests) == before + 1, f"{name}.{verb}"
            requested.append((f"{name}.{verb}", gateway.requests[-1]))
    for project_id, episode_id in ((None, None), ("p", None), (None, "e")):
        gateway.answers.append(stream(": nothing\n\n"))
        gateway.then = lambda _: httpx.Response(404)
        with suppress(ClientError):
            await anext(aiter(client.events(project_id, episode_id=episode_id)))
        requested.append((f"events({project_id}, {episode_id})", gateway.requests[-1]))
    return requested


async def test_every_published_route_has_a_method_and_every_method_a_route(tmp_path: Path) -> None:
    requested = await asked_by_every_method(tmp_path / "file")
    strangers = [name for name, request in requested if operation(request) is None]
    assert strangers == []
    assert published().keys() - {operation(request) for _, request in requested} == set()


async def test_what_methods_send_is_what_the_routes_take(tmp_path: Path) -> None:
    wrong = []
    for name, request in await asked_by_every_method(tmp_path / "file"):
        found = operation(request)
        assert found, name
        route = published()[found]
        by_key = request.method == "POST" and name != "accounts.open_session"  # a replay could not set its cookie
        assert ("Idempotency-Key" in request.headers) is by_key, name
        content = route.get("requestBody", {}).get("content", {}).get("application/json")
        sent = json.loads(request.content) if content and request.content else None
        taken = _fields(content["schema"]) if content else set()
        if isinstance(sent, dict):
            wrong += [f"{name}: {field}" for field in sent if field not in taken]
        parameters = {p["name"] for p in route.get("parameters", []) if p["in"] == "query"} | FILTERS
        wrong += [f"{name}: ?{field}" for field in request.url.params if field not in parameters]
    assert wrong == []


FILTERS = {"kind", "status", "provider", "stale", "episode_id", "segment_id", "versions"}
"""Told in the descriptions of lists, not as parameters."""


def _fields(schema: dict[str, Any]) -> set[str]:
    if "$ref" in schema:
        return _fields(OPENAPI["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    return set(schema.get("properties", {})).union(*(_fields(s) for s in schema.get("anyOf", [])))


async def test_a_list_is_fetched_as_far_as_it_is_walked() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", "0"))
        data = [{"id": f"r{i}", "kind": "video", "status": "queued"} for i in range(start, start + 200)]
        return httpx.Response(200, json={"data": data, "next_cursor": str(start + 200)})  # it never ends

    gateway = Gateway(then=page)
    client: AsyncRetake = gateway.client()
    runs = client.runs.all("p", status="queued")
    assert isinstance(runs, Listing)
    async for run in runs:
        if run.id == "r250":
            break
    assert [r.url.params.get("cursor") for r in gateway.requests] == [None, "200"]
    assert {r.url.params["status"] for r in gateway.requests} == {"queued"}
