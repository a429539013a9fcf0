"""What runs for every event, request, job and sweep reads by an index, however long the installation has been running.

Each test fills the tables of one service to a size at which PostgreSQL prefers an index where there is one, runs the
service's own code, and has every statement of it explained.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final

import pytest

from services.compiler.planning.pieces import PieceKind
from services.compiler.store.compilations import COMPILE, CompilationRepository
from services.compiler.store.pieces import PostgresPieceStore
from services.compiler.store.retention import FilmRetention, PieceRetention, delete_unneeded_rows
from services.gateway.commands.runs import StartRun, start_run
from services.gateway.domain.links import Links
from services.gateway.domain.paging import Page
from services.gateway.jobs import prune, prune_log, recurring_jobs
from services.gateway.queries.facade import Queries
from services.gateway.queries.metrics import review_metrics
from services.gateway.store.event_log import EventLog
from services.gateway.store.retention import UploadRetention, retire_versions
from services.gateway.store.unanswered import publish_again
from services.gateway.store.unit_of_work import StoreFactory
from services.generator.store import sweeps
from services.generator.store.retention import VersionRetention
from services.generator.store.sweeps import RunSweepRepository
from services.review.store.reviews import ReviewRepository
from shared.contracts.catalogue import load_catalogue
from shared.contracts.topics import Service
from shared.contracts.values import AssetKind, Output
from shared.core.clock import SystemClock
from shared.core.ids import new_id
from shared.jobs import queue
from shared.messaging import inbox, relay
from shared.messaging.events import Publisher
from shared.messaging.retention import prune as prune_messages
from shared.messaging.retention import prune_commits
from shared.postgres.pool import Connection, open_pool
from tests.conftest import FreshDatabase
from tests.support.clock import FakeClock
from tests.support.gateway_harness import FakeServices, GatewayHarness
from tests.support.plans import fill, pool_of, reads_by_an_index, recorded, uid

ROWS: Final = 5_000
NOW: Final = datetime.now(UTC)
AGED: Final = f"now() - i * interval '100 days' / {ROWS}"
"""Spread evenly over the last 100 days, the newest first."""
DAY: Final = AGED.replace("100 days", "24 hours 10 minutes")
JOB_KINDS: Final = 4


@asynccontextmanager
async def database(url: str) -> AsyncIterator[Connection]:
    async with open_pool(url, size=1) as pool, pool.acquire() as connection:
        yield connection


async def fill_mechanisms(connection: Connection) -> None:
    """What every service's database has: everything but the last few rows of the outbox is published."""
    await fill(
        connection,
        "outbox",
        ROWS,
        event_id=uid("i"),
        topic="(array['complete', 'progress', 'failed'])[1 + i % 3]",
        key=f"{uid('i / 10')}::text",
        headers="'{}'",
        body="'{}'",
        created_at=AGED.replace("100 days", "8 days"),
        published_at=f"case when i < {ROWS} - 20 then now() end",
    )
    await fill(connection, "inbox", ROWS, event_id=uid("i"), topic="'complete'", received_at=AGED.replace("100", "14"))
    await fill(
        connection,
        "jobs",
        ROWS,
        job_id=uid("i"),
        kind=f"(array['render', 'call', '{COMPILE}', 'split'])[1 + i % {JOB_KINDS}]",
        fair_key="(i / 500)::text",
        token=f"case when i % 500 = 0 then {uid('i')} end",
        worker="case when i % 500 = 0 then 'w' || i % 7 end",
        lease_until="case when i % 500 = 0 then now() + interval '10 s' end",
        payload="""'{"limits": ["replicate"]}'""",
    )


async def use_mechanisms(connection: Connection, kind: str) -> None:
    """Relay, inbox, job queue and pruning. (The gauge of the oldest job has to look at every job that waits.)"""
    pool = pool_of(connection)
    await connection.fetch(relay._TAKE, relay.BATCH_ROWS)
    await connection.execute(relay._MARK, [ROWS - 1, ROWS], ["complete"], [0], [1])
    messages: Any = [SimpleNamespace(envelope=SimpleNamespace(id=new_id()), topic="complete") for _ in range(3)]
    assert len(await inbox.take_new(connection, messages)) == 3
    assert await queue.has_ready(connection, kind)
    claims = await queue.claim(connection, kind, 3, worker="mine")
    assert len(claims) == 3
    assert len(await queue.extend_leases(connection, claims)) == 3
    await queue.lock_claim(connection, claims[0])
    await queue.finish(connection, claims[0])
    await queue.release_all(connection, "mine")
    await prune_messages(pool)
    await prune_commits(pool)


@pytest.mark.parametrize("service", [Service.GENERATOR, Service.COMPILER])
async def test_messaging_and_jobs(service: Service, fresh_database: FreshDatabase) -> None:
    async with database(await fresh_database(service)) as connection:
        await fill_mechanisms(connection)
        await connection.execute("analyze outbox, inbox, jobs")
        async with connection.transaction():
            with recorded(connection) as statements:
                await use_mechanisms(connection, COMPILE)
        await reads_by_an_index(connection, statements)


async def test_the_generators_sweeps_and_retention(fresh_database: FreshDatabase) -> None:
    async with database(await fresh_database("generator")) as connection:
        await fill_mechanisms(connection)
        ended = f"i < {ROWS} - 10"
        await fill(connection, "assets", ROWS, asset_id=uid("i"), kind="'video'", project_id="i::text", created_at=AGED)
        await fill(
            connection,
            "runs",
            ROWS,
            run_id=uid("i"),
            asset_id=uid("i"),
            state=f"case when {ended} then 'complete' else 'queued' end",
            request="'{}'",
            settings="'{}'",
            provider="'replicate'",
            lane="'call'",
            step="'queued'",
            project_id="'p'",
            owner_id="'o'",
            correlation_id="'c'",
            created_at=AGED,
            started_at=AGED,
            updated_at=AGED,
        )
        await fill(
            connection,
            "versions",
            ROWS,
            version_id=uid("i"),
            asset_id=uid("i"),
            run_id=uid("i"),
            version_number="1",
            status="(array['accepted', 'rejected'])[1 + i % 2]",
            facts="'{}'",
            created_at=AGED,
            settled_at=AGED,
            accepted_at=AGED,
            retired_at=f"case when i > {ROWS} - 30 then now() end",
            purged_at=f"case when i < {ROWS} - 30 then {AGED} end",
            retirement_reason="'surplus'",
        )
        await fill(connection, "candidates", ROWS, run_id=uid("i"), position="0", version_id=uid("i"))
        await fill(
            connection,
            "provider_calls",
            ROWS,
            call_id=uid("i"),
            run_id=uid("i"),
            position="0",
            attempt="1",
            provider="'replicate'",
            model="'m' || i % 5",
            state=f"case when {ended} then 'succeeded' else 'submitted' end",
            project_id="'p'",
            intended_at=AGED,
        )
        await connection.execute("analyze")
        runs = RunSweepRepository(connection, Publisher(Service.GENERATOR, SystemClock(), new_id))
        retention = VersionRetention(connection, Publisher(Service.GENERATOR, SystemClock(), new_id))
        before = NOW - timedelta(minutes=5)
        async with connection.transaction():
            with recorded(connection) as statements:
                await use_mechanisms(connection, "call")
                await runs.is_known(new_id())
                await connection.fetch(sweeps._WITHOUT_JOB, before, 10)
                await connection.fetch(sweeps._OVERDUE, before, before, 10)
                await runs.cancel_orphans(before, 10)
                await runs.unknown_charges()
                await runs.count_active()
                await runs.limiter_status()
                await retention.lock_expired(NOW, 100)
                await retention.lock_marked(NOW - timedelta(days=99), 100)
                await retention.release([new_id()])
        await reads_by_an_index(connection, statements)


async def test_due_reviews_and_decisions(fresh_database: FreshDatabase) -> None:
    async with database(await fresh_database("review")) as connection:
        await fill(
            connection,
            "reviews",
            ROWS,
            run_id=uid("i"),
            asset_id=uid("i / 3"),
            asset_kind="'video'",
            episode_id=uid("i / 100"),
            state=f"case when i < {ROWS} - 100 then 'accepted' else 'open' end",
            candidates="'{}'",
            deadline="now() + i * interval '1 minute'",
            rev="1",
            project_id="'p'",
            owner_id="'o'",
            correlation_id="'c'",
        )
        await fill(
            connection,
            "decisions",
            ROWS,
            decision_id=uid("i"),
            run_id=uid("i"),
            version_id=uid("i"),
            action="'approve'",
            actor_kind="'user'",
            submitted_at="now()",
            decided_at="now()",
            verdict="'accepted'",
        )
        await fill(connection, "deleted_assets", ROWS, asset_id=uid("i"), deleted_at="now()")
        await connection.execute("analyze")
        store = ReviewRepository(connection, Publisher(Service.REVIEW, SystemClock(), new_id))
        async with connection.transaction():
            with recorded(connection) as statements:
                assert not await store.has_due(NOW)
                await store.lock_due(NOW, 100)
                await store.lock(new_id())
                await store.lock_open([new_id()])
                assert await store.count_open() == 101
                await store.is_recorded(new_id())
                await store.is_tombstoned(new_id())
        await reads_by_an_index(connection, statements)


async def test_pieces_and_films(fresh_database: FreshDatabase) -> None:
    async with database(await fresh_database("compiler")) as connection:
        await fill(
            connection,
            "pieces",
            ROWS,
            key="'piece ' || i",
            kind="(array['clip', 'window', 'stem'])[1 + i % 3]",
            facts="""jsonb_build_object('source', md5(i::text), 'output', '1920x1080@24/blur')""",
            made_at=f"case when i < {ROWS} - 20 then {AGED} end",
            used_at=AGED,
            marked_at="case when i % 200 = 0 then now() end",
            lease_until="now()",
        )
        await fill(
            connection,
            "compilations",
            ROWS,
            compilation_id=uid("i"),
            episode_id=uid("i / 2"),
            state=f"case when i < {ROWS} - 20 then 'completed' else 'pending' end",
            request="'{}'",
            result="'{}'",
            project_id="'p'",
            owner_id="'o'",
            correlation_id="'c'",
            created_at=AGED,
            completed_at=AGED,
            expires_at="now()",
        )
        await fill(connection, "timelines", ROWS, episode_id=uid("i"), timeline_version="1", timeline="'{}'")
        await fill(
            connection, "committed", ROWS, asset_id=uid("i"), episode_id=uid("i / 3"), commit_seq="1", media="'{}'"
        )
        await fill(
            connection,
            "versions",
            ROWS,
            version_id=uid("i"),
            asset_id=uid("i"),
            media="'{}'",
            superseded_at=f"case when i % 2 = 0 then {AGED.replace('100 days', '49 hours')} end",
        )
        await connection.execute("analyze")
        films = CompilationRepository(connection, Publisher(Service.COMPILER, SystemClock(), new_id))
        pieces, kept = PostgresPieceStore(pool_of(connection), new_id, SystemClock()), PieceRetention(connection)
        async with connection.transaction():
            with recorded(connection) as statements:
                await pieces.find(["piece 1", "piece 2"])
                await pieces.claim("another", PieceKind.CLIP)
                await films.conformed(["a", "b"], Output())
                await films.expired(NOW)
                await films.open_of(new_id())
                assert await films.queue_length() == 21
                await films.prepare(new_id())
                await films.exists(new_id())
                await kept.lock_expired(NOW - timedelta(days=98), 100)
                await kept.lock_marked(NOW - timedelta(days=98), 100)
                await kept.delete(["piece 3"])
                await FilmRetention(connection).lock_marked(NOW, 100)
                await delete_unneeded_rows(connection, NOW)
        await reads_by_an_index(connection, statements)


async def fill_gateway(connection: Connection) -> None:
    of_one = {"project_id": uid("i % 100"), "episode_id": uid("i / 40")}
    times = {"created_at": AGED, "updated_at": AGED}
    late = f"i > {ROWS} - 10"
    await fill(connection, "projects", 100, project_id=uid("i"), owner_id="'o'", name="'n'", created_at="now()",
               updated_at="now()")  # fmt: skip
    await fill(connection, "members", ROWS, project_id=uid("i"), user_id="'user ' || i % 1000", role="'owner'", **times)
    await fill(connection, "episodes", ROWS // 4, project_id=uid("i % 100"), episode_id=uid("i"), title="'t'",
               output="'{}'", **times)  # fmt: skip
    await fill(connection, "segments", ROWS, segment_id=uid("i"), number="i", type="'shot'", **of_one, **times)
    await fill(connection, "assets", ROWS, asset_id=uid("i"), segment_id=uid("i"), kind="'video'", label="'l'",
               **of_one, **times)  # fmt: skip
    await fill(
        connection,
        "runs",
        ROWS,
        run_id=uid("i"),
        asset_id=uid("i"),
        segment_id=uid("i"),
        kind="'video'",
        number="1",
        source="'generate'",
        batch_id=uid("i / 40"),
        request="'{}'",
        made=f"case when {late} then 'requested' else 'complete' end",
        status=f"case when {late} then 'requested' else 'complete' end",
        actor="'{}'",
        started_at=AGED,
        **of_one,
        **times,
    )
    await fill(connection, "run_steps", 2 * ROWS, run_id=uid("i / 2"), project_id=uid("i % 100"), state="'complete'",
               step="'s'", message_code="'m'", at=AGED)  # fmt: skip
    await fill(
        connection,
        "versions",
        ROWS,
        version_id=uid("i"),
        asset_id=uid("i"),
        kind="'video'",
        run_id=uid("i"),
        number="1",
        status="'accepted'",
        object="""'{"size": 1}'""",
        media="""'{"duration_s": 4}'""",
        directions="''",
        provider="'animatic'",
        cost="'{}'",
        closed_at=f"case when i % 10 = 0 then {AGED} end",
        retired_at="case when i % 20 = 0 then now() end",
        **of_one,
        **times,
    )
    await fill(
        connection,
        "reviews",
        ROWS,
        review_id=uid("i"),
        asset_id=uid("i"),
        kind="'video'",
        run_id=uid("i"),
        version_id=uid("i"),
        action="'approve'",
        actor="'{}'",
        user_id="'u'",
        verdict=f"case when {late} then 'pending' else 'accepted' end",
        submitted_at=AGED,
        decided_at=AGED,
        **of_one,
        **times,
    )
    await fill(
        connection,
        "batches",
        ROWS,
        batch_id=uid("i"),
        mode="'parallel'",
        status="'completed'",
        actor="'{}'",
        correlation_id=uid("i"),
        **of_one,
        **times,
    )
    await fill(
        connection,
        "compilations",
        ROWS,
        compilation_id=uid("i"),
        request="'{}'",
        state=f"case when {late} then 'pending' else 'completed' end",
        object="""'{"size": 1}'""",
        actor="'{}'",
        expires_at="now()",
        completed_at=AGED,
        **of_one,
        **times,
    )
    await fill(
        connection,
        "imports",
        ROWS,
        import_id=uid("i"),
        source="'film'",
        status=f"case when {late} then 'pending' else 'completed' end",
        actor="'{}'",
        upload_id=uid("i"),
        **of_one,
        **times,
    )
    await fill(
        connection,
        "uploads",
        ROWS,
        upload_id=uid("i"),
        project_id=uid("i % 100"),
        filename="'f'",
        content_type="'image/png'",
        kind="'image'",
        object="""jsonb_build_object('key', 'uploads/' || i, 'size', 1)""",
        user_id="'u'",
        deleted_at="case when i % 100 = 0 then now() end",
        **times,
    )
    await fill(connection, "idempotency_keys", ROWS, caller="'c'", key="i::text", fingerprint="'f'", status="200",
               headers="'{}'", body="'{}'", created_at=DAY)  # fmt: skip
    await fill(connection, "event_log", ROWS, seq="i", name="'changed'", data="'{}'", at=DAY, **of_one)
    await connection.execute(f"select setval('event_seq', {ROWS})")


async def test_what_the_gateway_reads_for_a_page_a_stream_and_its_sweeps(fresh_database: FreshDatabase) -> None:
    async with database(await fresh_database("gateway")) as connection:
        await fill_gateway(connection)
        await fill_mechanisms(connection)
        clock = FakeClock(NOW)
        stores = StoreFactory(Publisher(Service.GATEWAY, clock, new_id), load_catalogue(), "animatic")
        w = GatewayHarness(pool_of(connection), clock, stores, FakeServices(clock), _read=ROWS)
        caller = await w.project()
        episode = await w.episode(caller, 3)
        first, *others = await w.assets(episode, AssetKind.VIDEO)
        for asset in others:
            await w.do(start_run, caller, StartRun(asset))
        await w.settle()
        await connection.execute("analyze")
        links = Links("http://localhost", "ana", 0, lambda *_: "signature")
        queries = Queries(connection, links, stores.catalogue, "animatic", NOW)
        log, project, page = EventLog(w.pool), caller.project_id, Page()
        assert project
        async with connection.transaction():
            with recorded(connection) as statements:
                await use_mechanisms(connection, "render")
                await w.do(start_run, caller, StartRun(first))
                await w.post()
                await w.deliver(*w.mail)
                assert len((await queries.projects(page)).data) == 1
                await queries.episodes(project, page)
                await queries.episode(episode)
                await queries.outline(episode)
                await queries.segments(episode, page)
                await queries.assets(episode, page)
                found = await queries.runs(page, project_id=project)
                assert len(found.data) == 3
                await queries.runs(page, asset_id=found.data[0].asset_id)
                await queries.run(found.data[0].id)
                await queries.reviews(page, project_id=project)
                await queries.progress(project, page)
                await queries.usage(project, None, None, "kind")
                await queries.batches(episode, page)
                await queries.compilations(episode, page)
                await queries.snapshot(await queries.project_ids())
                await queries.snapshot([project], episode)
                await log.bounds(5, 6)
                assert len(await log.since(ROWS - 100, 50)) == 50
                await log.between(ROWS - 100, ROWS, [project], False, 50)
                await log.members(project)
                for job in recurring_jobs(w.pool, stores, clock):
                    await job.work()
                await publish_again(connection, NOW - timedelta(days=1))
                await prune_log(connection, clock)
                await prune(connection, clock)
                await retire_versions(connection, NOW - timedelta(days=98))
                await UploadRetention(connection).lock_marked(NOW - timedelta(days=98), 100)
                await review_metrics(connection, since=NOW - timedelta(days=3))
                await review_metrics(connection, project)
        await reads_by_an_index(connection, statements)
