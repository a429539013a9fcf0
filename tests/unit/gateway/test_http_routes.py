"""The routes as they were promised: each with its success statuses and the problems of its own. Written by hand, so
that a route, a status or a problem that changes is a change of this table, too."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway.api.app import build_app
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY
from services.gateway.api.openapi import operations
from shared.core.clock import SystemClock

# `route success problems`; ^: If-Match is required.
PROMISED = """
POST /auth/token 200
GET /auth/config 200
GET /auth/login 302
POST /auth/share 200
POST /auth/session 204
DELETE /auth/session 200,204
POST /auth/tickets 201
GET /me 200
GET /runs 200
GET /models 200
GET /events 200
GET /projects 200
POST /projects 201
GET /projects/{project_id} 200
PATCH^ /projects/{project_id} 200
DELETE /projects/{project_id} 204
GET /projects/{project_id}/settings 200
PATCH^ /projects/{project_id}/settings 200
GET /projects/{project_id}/members 200
PUT /projects/{project_id}/members/{user_id} 200 invalid-state
DELETE /projects/{project_id}/members/{user_id} 204 invalid-state
GET /projects/{project_id}/shares 200
POST /projects/{project_id}/shares 201
DELETE /projects/{project_id}/shares/{share_id} 204
GET /projects/{project_id}/usage 200
GET /projects/{project_id}/metrics 200
GET /projects/{project_id}/progress 200
GET /projects/{project_id}/events 200
POST /projects/{project_id}/uploads 201 storage-full
POST /projects/{project_id}/partial-uploads 201 storage-full
GET /partial-uploads/{partial_id} 200
PATCH /partial-uploads/{partial_id} 200 invalid-state,storage-full
DELETE /partial-uploads/{partial_id} 204
POST /projects/{project_id}/imports 202,200 storage-full
GET /projects/{project_id}/episodes 200
POST /projects/{project_id}/episodes 201
GET /projects/{project_id}/runs 200
GET /projects/{project_id}/reviews 200
GET /imports/{import_id} 200
POST /imports/{import_id}/cancel 202,200 invalid-state
GET /episodes/{episode_id} 200,304
PATCH^ /episodes/{episode_id} 200
DELETE /episodes/{episode_id} 204
GET /episodes/{episode_id}/events 200
GET /episodes/{episode_id}/order 200
GET /episodes/{episode_id}/outline 200,304
PUT^ /episodes/{episode_id}/order 200
GET /episodes/{episode_id}/revisions 200
GET /episodes/{episode_id}/metrics 200
GET /episodes/{episode_id}/segments 200
POST /episodes/{episode_id}/segments 201
GET /episodes/{episode_id}/segments/status 200
GET /episodes/{episode_id}/assets 200
POST /episodes/{episode_id}/assets 201
GET /episodes/{episode_id}/batches 200
POST /episodes/{episode_id}/batches 202,200 busy,spend-cap-reached,storage-full
POST /episodes/{episode_id}/render 202,200 busy,spend-cap-reached,storage-full,not-compilable
POST /episodes/{episode_id}/bulk 200
POST /episodes/{episode_id}/generate-segments 202,200 busy,spend-cap-reached,storage-full
POST /episodes/{episode_id}/compile 202,200 not-compilable,storage-full
GET /episodes/{episode_id}/compilation-jobs 200
GET /segments/{segment_id} 200
PATCH^ /segments/{segment_id} 200
DELETE /segments/{segment_id} 204
POST /segments/{segment_id}/restore 200 gone,invalid-state,storage-full
POST /segments/{segment_id}/approve 200,202 already-decided,invalid-state,gone
POST /segments/{segment_id}/reject 200,202 already-decided,invalid-state,gone,busy,spend-cap-reached,storage-full
POST /segments/{segment_id}/regenerate 202,200 busy,spend-cap-reached,storage-full,already-decided
GET /assets/{asset_id} 200
PUT^ /assets/{asset_id}/draft 200
DELETE /assets/{asset_id}/draft 204
GET /assets/{asset_id}/runs 200
POST /assets/{asset_id}/runs 202,200 busy,spend-cap-reached,storage-full,already-decided
GET /assets/{asset_id}/versions 200
POST /assets/{asset_id}/versions 202,200 busy,storage-full
GET /assets/{asset_id}/compare 200 gone
GET /versions/{version_id} 200
GET /versions/{version_id}/provenance 200 gone
GET /compilation-jobs/{compilation_id}/provenance 200 gone
GET /versions/{version_id}/notes 200
POST /versions/{version_id}/notes 201 invalid-state
GET /notes/{note_id} 200
PATCH^ /notes/{note_id} 200
DELETE /notes/{note_id} 204
POST /versions/{version_id}/rollback 202,200 busy,gone,invalid-state
GET /runs/{run_id} 200
POST /runs/{run_id}/cancel 202,200 invalid-state
POST /runs/{run_id}/review 200,202 already-decided,invalid-state,gone,busy,spend-cap-reached,storage-full
POST /runs/{run_id}/reopen 202,200 busy,gone,invalid-state
GET /batches/{batch_id} 200
POST /batches/{batch_id}/pause 202,200 invalid-state
POST /batches/{batch_id}/cancel 202,200 invalid-state
POST /batches/{batch_id}/resume 202,200 invalid-state
GET /compilation-jobs/{compilation_id} 200
POST /compilation-jobs/{compilation_id}/cancel 202,200 invalid-state
PUT /compilation-jobs/{compilation_id}/rating 200 invalid-state
GET /media/{collection}/{object_id}/{rendition} 200,206,304,307 link-expired,gone,range-not-satisfiable
"""
COMMON = {
    "malformed",
    "unauthenticated",
    "forbidden",
    "not-found",
    "method-not-allowed",
    "not-acceptable",
    "rate-limited",
    "internal",
    "unavailable",
    "invalid",
}
AT_ROOT = {"/health/live", "/health/ready", "/metrics", "/problems/{slug}", "/docs", "/openapi.json"}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return build_app(None, SystemClock()).openapi()


def _promises() -> dict[str, tuple[str, set[int], set[str]]]:
    """Route -> (the method as written, success statuses, problems of its own)."""
    found = {}
    for line in PROMISED.split("\n"):
        if line:
            method, path, statuses, *more = line.split()
            found[f"{method.rstrip('^')} {path}"] = (
                method,
                {int(s) for s in statuses.split(",")},
                set(more[0].split(",")) if more else set(),
            )
    return found


def _found(spec: dict[str, Any], operation: dict[str, Any]) -> tuple[set[int], set[str]]:
    good, problems = set(), set()
    for status, response in operation["responses"].items():
        if "$ref" in response:
            response = spec["components"]["responses"][response["$ref"].rpartition("/")[2]]
        if int(status) < 400:
            good.add(int(status))
        else:
            problems |= set(response["content"]["application/problem+json"]["examples"])
    return good, problems


def test_every_promised_route_is_there_with_its_answers_and_no_other(spec: dict[str, Any]) -> None:
    promised = _promises()
    seen = set()
    for path, method, operation in operations(spec):
        if path in AT_ROOT:
            continue
        route = f"{method.upper()} {path.removeprefix('/api/v1')}"
        assert route in promised, f"{route} was never promised"
        seen.add(route)
        written, statuses, own = promised[route]
        good, problems = _found(spec, operation)
        assert good == statuses, route
        expected = COMMON | own
        if method == "post" and "/auth/" not in path:
            expected |= set(POST)
        if "requestBody" in operation:
            expected |= set(WITH_BODY)
        if written.endswith("^"):
            expected |= set(CONDITIONAL)
        assert problems == expected, f"{route}: {sorted(problems ^ expected)}"
    assert seen == set(promised)
    assert {path for path, _, _ in operations(spec) if not path.startswith("/api/v1")} == AT_ROOT


def test_creating_answers_with_a_place(spec: dict[str, Any]) -> None:
    for path, method, operation in operations(spec):
        for status, response in operation["responses"].items():
            if status in ("201", "202") and method == "post" and not path.endswith(("/auth/tickets", "/uploads")):
                assert "Location" in response["headers"], f"{method} {path} {status}"
