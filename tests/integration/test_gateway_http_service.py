"""The service around its routes: limits, other origins, a database that is away, documents, streams over a socket."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
import pytest_asyncio

from shared.core.ids import new_id
from tests.conftest import FreshDatabase
from tests.support.gateway_http import Gateway, Stream, gateway
from tests.support.gateway_process import process

ROUNDS = 8  # of one megabyte
ROOT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture
async def g(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(await fresh_database("gateway"), tmp_path, cors_origins=("https://studio.example",)) as made:
        yield made


async def test_a_lost_broker_shows_and_never_keeps_the_gateway_from_being_ready(g: Gateway) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(g.app), base_url="http://localhost") as api:
        ready = await api.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert ready.json()["checks"]["database"] == "ok"
        assert "broker" in ready.json()["checks"]["consumer"]
        assert (await api.get("/health/live")).status_code == 200
        await api.get("/api/v1/nowhere")
        assert "retake_http_request_seconds" in (await api.get("/metrics")).text


async def test_requests_are_counted_and_too_many_refused(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path, rate_quota=3, rate_window_s=60) as g:
        api = g.client()
        left = []
        for _ in range(3):
            response = await api.get("/me")
            assert response.headers["ratelimit-policy"] == '"user";q=3;w=60'
            left.append(response.headers["ratelimit"].partition(";")[2].partition(";")[0])
        assert left == ["r=2", "r=1", "r=0"]
        refused = await api.get("/me")
        assert (refused.status_code, refused.json()["type"], refused.json()["policy"]) == (
            429,
            "/problems/rate-limited",
            "user",
        )
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await g.client("bob").get("/me")).status_code == 200
        assert (await g.client(None).get("/me")).headers["ratelimit-policy"].startswith('"address"')


async def test_large_bodies_are_refused_before_they_are_read(g: Gateway) -> None:
    api = g.client()
    told = await api.post("/projects", content=b" " * (1024 * 1024 + 1), headers={"Content-Type": "application/json"})
    assert (told.status_code, told.json()["type"], told.json()["limit"]) == (413, "/problems/too-large", 1024 * 1024)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 10_000

    untold = await api.post("/projects", content=endless(), headers={"Content-Type": "application/json"})
    assert untold.status_code == 413


async def test_other_origins_only_if_they_are_named(g: Gateway) -> None:
    api = g.client(None)
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
    preflight = await api.options("/projects", headers=asked | {"Origin": "https://studio.example"})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://studio.example"
    assert preflight.headers["access-control-allow-credentials"] == "true"
    refused = await api.get("/me", headers={"Origin": "https://studio.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://studio.example"
    assert "Retry-After" in refused.headers["access-control-expose-headers"]
    other = await api.get("/me", headers={"Origin": "https://studio.example.evil"})
    assert "access-control-allow-origin" not in other.headers


async def test_what_a_client_asks_wrongly_is_told(g: Gateway) -> None:
    api = g.client()
    for method, path, more, status in (
        ("GET", "/nowhere", {}, 404),
        ("PUT", "/me", {}, 405),
        ("GET", "/me", {"headers": {"Accept": "text/csv"}}, 406),
        ("GET", "/me", {"headers": {"Accept": "application/json;q=0"}}, 406),
        ("GET", "/me", {"headers": {"Accept": "text/html, */*;q=0.1"}}, 200),
        ("POST", "/projects", {"data": {"name": "x"}}, 415),
        ("POST", "/projects", {"json": {"name": "x", "y": 1}}, 422),
        ("POST", "/projects", {"json": {"name": "nul\x00"}}, 422),
        ("POST", "/projects", {"json": [1]}, 422),
        (
            "POST",
            "/projects",
            {"content": b'{"name": "\\ud800"}', "headers": {"Content-Type": "application/json"}},
            422,
        ),
        ("POST", "/projects", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        (
            "POST",
            "/projects",
            {
                "content": b'{"name":"x","settings":{"video":{"seed":1e999}}}',
                "headers": {"Content-Type": "application/json"},
            },
            422,
        ),
        ("GET", "/projects/../../etc", {}, 404),
        ("GET", "/events", {"headers": {"Accept": "application/json"}}, 406),
    ):
        response = await api.request(method, path, **more)
        assert response.status_code == status, f"{method} {path} {more}: {response.text}"
        if status >= 400:
            assert response.headers["content-type"] == "application/problem+json"


async def test_head_is_get_without_its_body(g: Gateway) -> None:
    api = g.client()
    got, head = await api.get("/projects"), await api.head("/projects")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(got.content)))
    assert (await api.head("/events")).status_code == 405
    assert (await api.head("/nowhere")).status_code == 404


async def test_the_documents_are_there_offline(g: Gateway) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(g.app), base_url="http://localhost") as api:
        spec = (await api.get("/openapi.json")).json()
        assert spec["openapi"].startswith("3.1")
        assert (await g.client(None).get("/openapi.json")).json() == spec
        page = await api.get("/docs")
        assert page.status_code == 200
        for name, kind in (("reader.js", "javascript"), ("reader.css", "css")):
            assert f'"/docs/{name}"' in page.text
            assert kind in (await api.get(f"/docs/{name}")).headers["content-type"]
        assert (await api.get("/docs/other.js")).status_code == 404
        assert (await api.get("/problems/busy")).json()["status"] == 409
        assert "<h1>409 busy</h1>" in (await api.get("/problems/busy", headers={"Accept": "text/html"})).text
        assert (await api.get("/problems/nothing")).status_code == 404


class Proxy:
    """Between the gateway and PostgreSQL, so that one can lose the other."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection(*self._target)
        self._open |= {writer, out}
        await asyncio.gather(self._copy(reader, out), self._copy(there, writer), return_exceptions=True)
        self._open -= {writer, out}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


async def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    url = await fresh_database("gateway")
    address = urlsplit(url)
    proxy = Proxy(address.hostname or "127.0.0.1", address.port or 5432)
    await proxy.start()
    netloc = f"{address.netloc.rpartition(':')[0]}:{proxy.port}"
    async with gateway(url, tmp_path, through=urlunsplit(address._replace(netloc=netloc))) as g:
        api = g.client()
        project = (await api.post("/projects", json={"name": "P"})).json()["id"]
        async with Stream(g.app, f"/projects/{project}/events", g.token("ana")) as stream:
            await stream.until(lambda: stream.named("snapshot"))
            await proxy.stop()
            for _ in range(2):
                response = await api.get("/projects")
                assert (response.status_code, response.json()["type"]) == (503, "/problems/unavailable"), response.text
                assert int(response.headers["retry-after"]) >= 1
            bare = httpx.AsyncClient(transport=httpx.ASGITransport(g.app), base_url="http://localhost")
            async with bare:
                assert (await bare.get("/health/ready")).status_code == 503
                assert (await bare.get("/health/live")).status_code == 200
            await proxy.start()
            made = await api.post(f"/projects/{project}/episodes", json={"title": "Back"})
            assert made.status_code == 201
            await stream.until(lambda: stream.named("changed"), 20)


_FAILS = """
    create table failure as select '53100' as code;
    create function fails() returns trigger language plpgsql as $$
    begin
        raise exception 'no more' using errcode = (select code from failure);
    end $$;
    create trigger fails before insert on projects for each row execute function fails();
"""


async def test_a_database_without_disk_memory_or_time_is_a_503(g: Gateway) -> None:
    """Disk full, out of memory, too many connections, I/O error, starting, and what a second try may mend."""
    await g.world.pool.execute(_FAILS)
    for code in ("53100", "53200", "53300", "58030", "57P03", "40001", "40P01", "57014", "55P03"):
        await g.world.pool.execute("update failure set code = $1", code)
        _is_unavailable(await g.client().post("/projects", json={"name": "P"}))
    await g.world.pool.execute("drop trigger fails on projects")
    assert (await g.client().post("/projects", json={"name": "P"})).status_code == 201


async def test_a_read_only_database_is_a_503_for_changes_only(g: Gateway) -> None:
    api = g.client()
    assert (await api.get("/me")).status_code == 200  # the user is known by now
    database = urlsplit(g.settings.database_url).path.removeprefix("/")
    await g.world.pool.execute(f"alter database {database} set default_transaction_read_only = on")
    await _new_sessions(g)
    _is_unavailable(await api.post("/projects", json={"name": "P"}))
    assert (await api.get("/projects")).status_code == 200
    admin = await asyncpg.connect(g.settings.database_url)
    await admin.execute("set default_transaction_read_only = off")
    await admin.execute(f"alter database {database} reset default_transaction_read_only")
    await admin.close()
    await _new_sessions(g)
    assert (await api.post("/projects", json={"name": "P"})).status_code == 201


async def test_a_schema_that_changes_under_a_cached_statement_costs_a_503_and_no_more(g: Gateway) -> None:
    api = g.client()
    project = (await api.post("/projects", json={"name": "P"})).json()["id"]
    for _ in range(2 * g.settings.pool_size):  # until every connection has prepared the statement
        await asyncio.gather(*(api.get(f"/projects/{project}") for _ in range(4)))
    await g.world.pool.execute("alter table projects alter column name type varchar(400)")
    answers = [await api.get(f"/projects/{project}") for _ in range(3 * g.settings.pool_size)]
    refused = [answer for answer in answers if answer.status_code != 200]
    for answer in refused:
        _is_unavailable(answer)
    assert refused and answers[-1].status_code == 200, [a.status_code for a in answers]


def _is_unavailable(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["type"]) == (503, "/problems/unavailable"), response.text
    assert int(response.headers["retry-after"]) >= 1


async def _new_sessions(g: Gateway) -> None:
    """Settings of a database are read when a session begins."""
    database = urlsplit(g.settings.database_url).path.removeprefix("/")
    admin = await asyncpg.connect(g.settings.database_url)
    try:
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()",
            database,
        )
    finally:
        await admin.close()
    async with asyncio.timeout(60):
        while (await g.client().get("/me")).status_code != 200:
            await asyncio.sleep(0.05)


async def test_streams_survive_a_database_restart_without_a_gap(g: Gateway) -> None:
    api = g.client()
    project = (await api.post("/projects", json={"name": "P"})).json()["id"]
    async with Stream(g.app, f"/projects/{project}/events", g.token("ana")) as stream:
        await stream.until(lambda: stream.named("snapshot"))
        for n in range(2):
            database = urlsplit(g.settings.database_url).path.removeprefix("/")
            await g.world.pool.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                "where datname = $1 and pid <> pg_backend_pid()",
                database,
            )
            async with asyncio.timeout(60):
                while (await api.post(f"/projects/{project}/episodes", json={"title": str(n)})).status_code != 201:
                    await asyncio.sleep(0.1)
        await stream.until(lambda: len(stream.named("changed")) == 2, 30)
        ids = [i for i, name, _ in stream.events if name == "changed"]
        assert len(set(ids)) == 2


async def test_two_replicas_serve_the_same_log(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    url = await fresh_database("gateway")
    async with gateway(url, tmp_path) as one, gateway(url, tmp_path) as two:
        api = one.client()
        project = (await api.post("/projects", json={"name": "P"})).json()["id"]
        async with Stream(two.app, f"/projects/{project}/events", two.token("ana")) as there:
            await there.until(lambda: there.named("snapshot"))
            await api.post(f"/projects/{project}/episodes", json={"title": "1"})
            await there.until(lambda: there.named("changed"))
            last = there.events[-1][0]
            assert last is not None
        await api.post(f"/projects/{project}/episodes", json={"title": "2"})
        async with Stream(one.app, f"/projects/{project}/events", one.token("ana"), {"last-event-id": last}) as here:
            await here.until(lambda: here.named("changed"))
            assert len(here.named("changed")) == 1
            assert not here.named("snapshot")
        async with Stream(two.app, "/events", two.token("ana")) as mine:
            await mine.until(lambda: mine.named("snapshot"))
            second = (await api.post("/projects", json={"name": "Q"})).json()["id"]
            await api.post(f"/projects/{second}/episodes", json={"title": "3"})
            await mine.until(lambda: [d["resource"] for d in mine.named("changed")] == ["project", "episode"])


async def test_the_twenty_first_stream_is_refused(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path, streams_per_user=2) as g:
        async with Stream(g.app, "/events", g.token("ana")), Stream(g.app, "/events", g.token("ana")):
            async with Stream(g.app, "/events", g.token("ana")) as third:
                assert (third.status, json.loads(third.body)["type"]) == (429, "/problems/rate-limited")
                assert b"retry-after" in dict(third.sent[0]["headers"])
            async with Stream(g.app, "/events", g.token("bob")) as other:
                assert other.status == 200
        async with Stream(g.app, "/events", g.token("ana")) as again:
            assert again.status == 200


async def test_the_limit_of_streams_holds_over_all_replicas_and_forgets_one_that_died(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    url = await fresh_database("gateway")
    async with gateway(url, tmp_path, streams_per_user=2) as one, gateway(url, tmp_path, streams_per_user=2) as two:
        async with AsyncExitStack() as held:
            opened = [await held.enter_async_context(Stream(g.app, "/events", g.token("ana"))) for g in (one, two)]
            assert [s.status for s in opened] == [200, 200]
            for g in (one, two):
                assert (await _status(g, "ana"), await _status(g, "bob")) == (429, 200)
        third, has = new_id(), one.world.pool.execute
        await has("insert into open_streams (user_id, replica_id, count) values ('carl', $1, 2)", third)
        assert await _status(one, "carl") == 200  # of a replica that died
        await has("insert into stream_replicas values ($1, now() + interval '1 minute')", third)
        assert await _status(one, "carl") == 429
        await has("delete from open_streams where replica_id = $1", third)
        async with asyncio.timeout(60):
            while await one.world.pool.fetchval("select count(*) from open_streams"):
                await asyncio.sleep(0.01)
        at_once = [Stream(g.app, "/events", g.token("ana")) for g in (one, two) * 5]
        async with AsyncExitStack() as held:
            await asyncio.gather(*map(held.enter_async_context, at_once))
            assert sorted(s.status for s in at_once) == [200] * 2 + [429] * 8


async def _status(g: Gateway, user: str) -> int:
    async with Stream(g.app, "/events", g.token(user)) as stream:
        return stream.status


async def test_sigterm_ends_streams_and_the_process_even_with_a_client_that_never_reads(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    async with process(await fresh_database("gateway"), tmp_path) as (child, port):
        base = f"http://127.0.0.1:{port}/api/v1"
        async with httpx.AsyncClient(timeout=30) as api:
            token = (await api.post(f"{base}/auth/token")).json()["access_token"]
            signed = {"Authorization": f"Bearer {token}"}
            stuck_reader, stuck = await asyncio.open_connection("127.0.0.1", port)
            stuck.write(
                f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            await stuck.drain()
            seen: list[str] = []
            async with api.stream("GET", f"{base}/events", headers=signed) as stream:
                lines = stream.aiter_lines()
                while "event: snapshot" not in seen:
                    seen.append(await anext(lines))
                child.send_signal(signal.SIGTERM)
                rest: list[Any] = [line async for line in lines]  # the end of the body, and no broken connection
                assert not [line for line in rest if line.startswith("event: error")]
        assert await asyncio.wait_for(child.wait(), 8) in (0, -signal.SIGTERM)
        stuck.close()
        del stuck_reader


FILL = """
    insert into event_log (project_id, name, data)
    select $1, 'progress', '{"text":"' || repeat('x', 2000) || '"}' from generate_series(1, 500)
"""


async def test_a_client_that_never_reads_is_cut_off_and_the_others_miss_nothing(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    url = await fresh_database("gateway")
    async with process(url, tmp_path) as (_, port), httpx.AsyncClient(timeout=30) as api:
        base = f"http://127.0.0.1:{port}"
        token = (await api.post(f"{base}/api/v1/auth/token")).json()["access_token"]
        signed = {"Authorization": f"Bearer {token}"}
        project = (await api.get(f"{base}/api/v1/projects", headers=signed)).json()["data"][0]["id"]
        path = f"/api/v1/projects/{project}/events"
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port))
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        seen = 0

        async def read() -> None:
            nonlocal seen
            async with api.stream("GET", base + path, headers=signed) as stream:
                async for line in stream.aiter_lines():
                    seen += line == "event: progress"
                    if seen == 500 * ROUNDS:
                        return

        reading = asyncio.create_task(read())
        connection = await asyncpg.connect(url)
        try:
            async with asyncio.timeout(60):
                while b"retake_sse_streams 2.0" not in (await api.get(f"{base}/metrics")).content:
                    await asyncio.sleep(0.05)
                for n in range(ROUNDS):  # more than the buffers of two sockets and our own together
                    await connection.execute(FILL, project)
                    while seen < 500 * (n + 1):
                        await asyncio.sleep(0.01)
                await reading
                metrics = (await api.get(f"{base}/metrics")).text
                while "retake_sse_streams 0.0" not in metrics:
                    await asyncio.sleep(0.05)
                    metrics = (await api.get(f"{base}/metrics")).text
        finally:
            await connection.close()
        assert "retake_sse_dropped_total 1.0" in metrics
        raw.setblocking(True)
        raw.settimeout(10)
        assert not _rest(raw).endswith(b"0\r\n\r\n")  # cut off in the middle, not brought to an end
        raw.close()


def _rest(connection: socket.socket) -> bytes:
    """The last bytes that the other side had sent."""
    last = b""
    with suppress(ConnectionError):
        while data := connection.recv(1 << 20):
            last = (last + data)[-100:]
    return last


async def test_replicas_count_requests_together(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    database = await fresh_database("gateway")
    async with gateway(database, tmp_path, rate_quota=5) as one, gateway(database, tmp_path, rate_quota=5) as two:
        for _ in range(4):
            assert (await one.client().get("/me")).status_code == 200
        async with asyncio.timeout(60):
            while (await two.client("bob").get("/me")).status_code == 200:  # until the sum has gone round, and beyond
                await one.client("bob").get("/me")
                await asyncio.sleep(0.3)
            while await one.world.pool.fetchval("select sum(count) from rate_windows where caller = 'ana'") != 4:
                await asyncio.sleep(0.1)
            assert (await two.client().get("/me")).headers["ratelimit"].startswith('"user";r=4')  # not told yet
            limit = two.app.state.gateway.limit
            while limit._windows["user", "ana"].count < limit._quota:  # a request would count itself
                await asyncio.sleep(0.3)
        assert (await two.client().get("/me")).status_code == 429


async def test_a_database_without_a_free_connection_is_a_bounded_503(
    fresh_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.postgres.pool.ACQUIRE_TIMEOUT_S", 0.2)
    monkeypatch.setattr("services.gateway.api.app_state.ACQUIRE_TIMEOUT_S", 0.2)
    async with gateway(await fresh_database("gateway"), tmp_path, pool_size=2) as g:
        api = g.client()
        assert (await api.get("/projects")).status_code == 200
        pool = g.app.state.gateway.pool
        async with pool.acquire(), pool.acquire():
            for response in await asyncio.gather(*(api.get("/projects") for _ in range(5))):
                assert (response.status_code, response.json()["type"]) == (503, "/problems/unavailable")
                assert int(response.headers["retry-after"]) >= 1
            assert (await api.get("http://localhost/health/live")).status_code == 200
        assert (await api.get("/projects")).status_code == 200


async def test_overload_is_sent_away_with_a_time_to_come_back(fresh_database: FreshDatabase, tmp_path: Path) -> None:
    async with gateway(await fresh_database("gateway"), tmp_path, requests_at_once=1) as g:
        api = g.client()
        await api.get("/me")
        found = await asyncio.gather(*(api.get("/projects") for _ in range(8)))
        assert {r.status_code for r in found} == {200, 503}
        shed = next(r for r in found if r.status_code == 503)
        assert (shed.json()["type"], shed.headers["retry-after"]) == ("/problems/unavailable", "1")
        assert (await api.get("http://localhost/health/ready")).json()["checks"]["load"] == "ok"
        assert (await api.get("/projects")).status_code == 200


async def test_a_body_that_does_not_arrive_is_not_waited_for(g: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.api.middleware.auth.BODY_S", 0.2)

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"name":'
        await asyncio.sleep(30)

    api = g.client()
    told = await api.post("/projects", content=slow(), headers={"Content-Type": "application/json"})
    assert (told.status_code, told.json()["type"]) == (400, "/problems/malformed")


async def test_a_file_of_which_nothing_more_arrives_is_not_waited_for(
    g: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.gateway.api.middleware.auth.UPLOAD_STALL_S", 0.2)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"\x89PNG\r\n\x1a\n" + bytes(5000)
        await asyncio.sleep(30)

    api = g.client()
    project = (await api.post("/projects", json={"name": "P"})).json()["id"]
    told = await api.post(f"/projects/{project}/uploads", content=stalled())
    assert (told.status_code, told.json()["type"]) == (400, "/problems/malformed")
    assert not [f for f in Path(g.settings.objects_url.removeprefix("file://")).rglob("*") if f.is_file()]
