"""Requests: keys, repetition, refusals, tokens."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from client import errors
from client.credentials import Credentials
from client.retry import RetryPolicy
from tests.unit.client.fake import Gateway, ok, refusal

RUN = {"id": "r1", "kind": "video", "status": "queued"}


async def test_a_post_carries_one_key_through_all_repetitions() -> None:
    gateway = Gateway(httpx.ReadError("reset"), refusal(503, "unavailable", after=2), refusal(500, "internal"),
                      refusal(409, "idempotency-in-flight", after=1), ok(RUN, 202))  # fmt: skip
    run = await gateway.client().assets.regenerate("a1", directions="pan left")
    assert run.id == "r1"
    keys = {r.headers["Idempotency-Key"] for r in gateway.requests}
    assert len(keys) == 1
    assert len(gateway.requests) == 5
    assert gateway.slept == [0.125, 2.25, 0.5, 2.0]  # half the backoff (no jitter drawn), never before Retry-After


async def test_two_posts_have_two_keys() -> None:
    gateway = Gateway(ok(RUN, 202), ok(RUN, 202))
    client = gateway.client()
    await client.runs.cancel("r1")
    await client.runs.cancel("r1")
    assert len({r.headers["Idempotency-Key"] for r in gateway.requests}) == 2


async def test_it_gives_up_after_its_attempts() -> None:
    gateway = Gateway(then=lambda _: httpx.ConnectError("refused"))
    with pytest.raises(errors.Unreachable) as e:
        await gateway.client(retry=RetryPolicy(attempts=3)).projects.all()
    assert len(gateway.requests) == 3
    assert "127.0.0.1:8080" in e.value.message
    assert "retake up" in e.value.recovery


async def test_a_retry_after_beyond_patience_is_reported() -> None:
    gateway = Gateway(refusal(429, "rate-limited", after=600, policy="user"))
    with pytest.raises(errors.RateLimited) as e:
        await gateway.client().projects.all()
    assert e.value.retry_after_s == 600
    assert gateway.slept == []


async def test_an_edit_is_not_repeated_when_it_may_have_happened() -> None:
    gateway = Gateway(httpx.ReadTimeout("slow"))
    with pytest.raises(errors.Unreachable):
        await gateway.client().episodes.update("e1", title="x", revision=3)
    assert len(gateway.requests) == 1
    assert gateway.requests[0].headers["If-Match"] == '"3"'


async def test_an_edit_that_never_left_is_repeated() -> None:
    gateway = Gateway(httpx.ConnectError("refused"), ok({"id": "e1", "title": "x"}))
    assert (await gateway.client().episodes.update("e1", title="x")).title == "x"


@pytest.mark.parametrize(
    ("status", "slug", "kind"),
    [
        (400, "malformed", errors.Malformed),
        (401, "unauthenticated", errors.Unauthenticated),
        (402, "spend-cap-reached", errors.SpendCapReached),
        (403, "forbidden", errors.Forbidden),
        (404, "not-found", errors.NotFound),
        (405, "method-not-allowed", errors.MethodNotAllowed),
        (406, "not-acceptable", errors.NotAcceptable),
        (409, "busy", errors.Busy),
        (409, "already-decided", errors.AlreadyDecided),
        (409, "invalid-state", errors.InvalidState),
        (410, "gone", errors.Gone),
        (410, "link-expired", errors.LinkExpired),
        (412, "stale", errors.Stale),
        (413, "too-large", errors.TooLarge),
        (415, "unsupported-media-type", errors.UnsupportedMediaType),
        (416, "range-not-satisfiable", errors.RangeNotSatisfiable),
        (422, "invalid", errors.Invalid),
        (422, "not-compilable", errors.NotCompilable),
        (422, "idempotency-mismatch", errors.IdempotencyMismatch),
        (428, "precondition-required", errors.PreconditionRequired),
    ],
)
async def test_each_refusal_has_its_exception(status: int, slug: str, kind: type[errors.ProblemError]) -> None:
    gateway = Gateway(refusal(status, slug, active_id="r9"))
    with pytest.raises(errors.ProblemError) as e:
        await gateway.client("token", "https://retake.example").runs.get("r1")
    assert type(e.value) is kind
    assert e.value.recovery == "do this"
    assert e.value.extensions == {"active_id": "r9"}
    assert e.value.as_json()["active_id"] == "r9"
    assert len(gateway.requests) == 1


async def test_an_unknown_problem_and_a_proxys_page_are_still_problems() -> None:
    gateway = Gateway(refusal(418, "teapot"), httpx.Response(404, text="<html>nothing here</html>"))
    client = gateway.client()
    with pytest.raises(errors.ProblemError, match="it is teapot"):
        await client.runs.get("r1")
    with pytest.raises(errors.ProblemError, match="nothing here") as e:
        await client.runs.get("r1")
    assert e.value.status == 404


async def test_an_answer_of_something_else_is_said_to_be_that() -> None:
    gateway = Gateway(httpx.Response(200, text="<html>hello</html>"), ok({"status": "queued"}), ok({"items": []}))
    client = gateway.client()
    with pytest.raises(errors.BadResponse, match="not respond like"):
        await client.runs.get("r1")
    with pytest.raises(errors.BadResponse, match="Invalid Run in the gateway's response"):
        await client.runs.get("r1")
    with pytest.raises(errors.BadResponse, match="no `data`"):
        await client.projects.all()


async def test_lists_are_walked_page_by_page() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", "0"))
        limit = int(request.url.params["limit"])
        data = [{"id": f"p{i}", "name": f"P{i}"} for i in range(start, min(450, start + limit))]
        following = start + limit
        return ok({"data": data, "next_cursor": str(following) if following < 450 else None})

    gateway = Gateway(then=page)
    client = gateway.client()
    assert len(await client.projects.all()) == 450
    assert [r.url.params["limit"] for r in gateway.requests] == ["200", "200", "200"]
    assert len(await client.projects.all(5)) == 5
    assert gateway.requests[-1].url.params["limit"] == "5"


async def test_ids_from_users_cannot_leave_their_place_in_the_path() -> None:
    gateway = Gateway(ok(RUN))
    await gateway.client().runs.get("../projects/x?y#z")
    assert gateway.requests[0].url.raw_path == b"/api/v1/runs/..%2Fprojects%2Fx%3Fy%23z"


async def test_waiting_is_asked_for_and_allowed_for() -> None:
    gateway = Gateway(ok(RUN))
    await gateway.client().runs.get("r1", wait_s=500)
    assert gateway.requests[0].headers["Prefer"] == "wait=60"
    assert gateway.requests[0].extensions["timeout"]["read"] > 60


async def test_whoever_named_a_token_is_not_made_somebody_else() -> None:
    gateway = Gateway(refusal(401, "unauthenticated"), ok({"access_token": "owner", "expires_in": 60}), ok(RUN))
    with pytest.raises(errors.Unauthenticated):
        await gateway.client("a viewer's").runs.get("r1")
    assert len(gateway.requests) == 1


async def test_a_local_system_gives_a_token_to_whoever_has_none_that_is_good(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/auth/token":
            return ok({"access_token": "fresh", "expires_in": 60})
        good = request.headers.get("Authorization") == "Bearer fresh"
        return ok(RUN) if good else refusal(401, "unauthenticated")

    gateway = Gateway(then=answer)
    (tmp_path / "token").write_text("stale")
    client = gateway.client(None, credentials=Credentials(token_file=tmp_path / "token", local=True))
    assert (await client.runs.get("r1")).id == "r1"
    assert (await client.runs.get("r1")).id == "r1"
    assert [r.url.path for r in gateway.requests].count("/api/v1/auth/token") == 1


async def test_a_remote_gateway_is_never_asked_for_a_token() -> None:
    gateway = Gateway(refusal(401, "unauthenticated"))
    with pytest.raises(errors.Unauthenticated):
        await gateway.client("stale", "https://retake.example").runs.get("r1")


async def test_the_token_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    credentials = Credentials(token_file=file)
    file.write_text("new\n")
    gateway = Gateway(refusal(401, "unauthenticated"), ok(RUN))
    await gateway.client(None, credentials=credentials).runs.get("r1")
    assert [r.headers["Authorization"] for r in gateway.requests] == ["Bearer old", "Bearer new"]


async def test_unknown_fields_and_states_of_a_newer_gateway_are_bearable() -> None:
    gateway = Gateway(ok({**RUN, "status": "hibernating", "kind": "hologram", "colour": "red"}))
    run = await gateway.client().runs.get("r1")
    assert (run.status, run.kind) == ("unknown", "unknown")
    assert not run.status.at_rest


async def test_a_batch_tells_no_deadline_from_the_projects_deadline() -> None:
    batch = {"id": "b1", "status": "running"}
    gateway = Gateway(ok(batch, 202), ok(batch, 202))
    client = gateway.client()
    await client.batches.create("e1")
    await client.batches.create("e1", deadline_minutes=None)
    assert gateway.bodies == [{"mode": "sequential"}, {"mode": "sequential", "deadline_minutes": None}]


async def test_an_upload_is_streamed_again_from_its_start(tmp_path: Path) -> None:
    photo = tmp_path / "Küche.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n".ljust(700_000, b"x"))  # the content decides what a file is, not its name
    reported: list[tuple[int, int | None]] = []
    gateway = Gateway(httpx.WriteError("reset"), ok({"id": "u1", "filename": "Küche.png"}, 201))
    upload = await gateway.client().uploads.create("p1", photo, on_progress=lambda *p: reported.append(p))
    assert upload.id == "u1"
    assert [len(r.content) for r in gateway.requests] == [700_000, 700_000]
    assert gateway.requests[1].headers["Content-Type"] == "image/png"
    assert gateway.requests[1].headers["Content-Length"] == "700000"
    assert gateway.requests[1].headers["Content-Disposition"] == "attachment; filename*=UTF-8''K%C3%BCche.png"
    assert reported[-1] == (700_000, 700_000)


async def test_readiness_and_metrics_come_from_the_port_for_operators_which_sees_no_token() -> None:
    gateway = Gateway(ok({"status": "unavailable", "checks": {}}, 503), httpx.Response(200, text="retake_ready 0\n"))
    client = gateway.client(operations_url="http://127.0.0.1:9100/")
    assert (await client.site.ready()).status == "unavailable"
    assert await client.site.metrics() == "retake_ready 0\n"
    assert [str(r.url) for r in gateway.requests] == [
        "http://127.0.0.1:9100/health/ready",
        "http://127.0.0.1:9100/metrics",
    ]
    assert not any("authorization" in r.headers for r in gateway.requests)
