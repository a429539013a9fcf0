"""Events that are late, early, repeated or out of order, workers past their lease, deletions at every moment."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from services.generator.jobs import AgeLimits
from shared.contracts.values import AssetKind
from shared.core.errors import Fenced
from shared.core.ids import new_id
from shared.jobs import queue as jobs
from shared.postgres.pool import transaction
from tests.support import events
from tests.support.generator import Bench
from tests.support.waiting import eventually

TERMINAL = {"complete", "rejected", "expired", "failed", "cancelled"}


def request_of(ref: dict[str, Any], **overrides: Any) -> Any:
    return events.regenerate_requested(**(ref | {"overrides": {"directions": "A lighthouse"}} | overrides))


def picture(**overrides: Any) -> dict[str, Any]:
    return events.ref(asset_kind=AssetKind.IMAGE, **overrides)


def of(preview: Any) -> dict[str, Any]:
    return {name: getattr(preview, name) for name in events.ref()}


async def jobs_left(bench: Bench) -> int:
    count: int = await bench.pool.fetchval("select count(*) from jobs")
    return count


# --- twice, early, late


async def test_the_same_request_twice_starts_one_run(bench: Bench) -> None:
    request = request_of(picture())
    await bench.handle(request)
    await bench.handle(request)
    assert len(await bench.published("progress")) == 1
    assert await jobs_left(bench) == 1
    await bench.work()
    await bench.handle(request)
    assert await bench.state(request.run_id) == "preview_ready"
    assert await jobs_left(bench) == 0


async def test_a_cancellation_that_comes_first_is_applied_when_the_run_appears(bench: Bench) -> None:
    ref = picture()
    await bench.handle(events.cancel_requested(target_id=ref["run_id"], asset_id=ref["asset_id"]))
    assert await bench.published() == []
    await bench.handle(request_of(ref))
    failed = await bench.one("failed")
    assert (failed.outcome, failed.problem.code, failed.cost.amount) == ("cancelled", "cancelled", "0")
    assert await bench.state(ref["run_id"]) == "cancelled"
    assert await jobs_left(bench) == 0
    assert await bench.pool.fetchval("select count(*) from parked") == 0


@pytest.mark.parametrize("request_first", [True, False])
async def test_a_request_and_its_cancellation_at_two_replicas_meet(bench: Bench, request_first: bool) -> None:
    ref = picture()
    pair = request_of(ref), events.cancel_requested(target_id=ref["run_id"], asset_id=ref["asset_id"])
    await bench.handle_at_once(*(pair if request_first else reversed(pair)))
    assert await bench.state(ref["run_id"]) == "cancelled"
    assert await jobs_left(bench) == 0
    assert await bench.pool.fetchval("select count(*) from parked") == 0


@pytest.mark.parametrize("request_first", [True, False])
async def test_an_import_and_its_cancellation_at_two_replicas_meet(bench: Bench, request_first: bool) -> None:
    film = events.import_requested()
    pair = film, events.cancel_requested(target="import", target_id=film.import_id)
    await bench.handle_at_once(*(pair if request_first else reversed(pair)))
    assert await bench.pool.fetchval("select state from imports") == "cancelled"
    assert await bench.pool.fetchval("select count(*) from parked") == 0


@pytest.mark.parametrize("request_first", [True, False])
async def test_a_run_and_its_verdict_at_two_replicas_meet(bench: Bench, request_first: bool) -> None:
    done = await bench.committed(**picture())
    ref = of(done) | {"run_id": new_id()}
    request = request_of(ref, source="existing", version_id=done.version.version_id, overrides={})
    pair = request, events.accepted(**ref, version_id=done.version.version_id)
    await bench.handle_at_once(*(pair if request_first else reversed(pair)))
    assert await bench.state(ref["run_id"]) == "complete"


async def test_a_decision_that_comes_before_its_run_waits_for_it(bench: Bench) -> None:
    done = await bench.committed(**picture())
    ref = of(done) | {"run_id": new_id()}
    await bench.handle(events.accepted(**ref, version_id=done.version.version_id))
    await bench.handle(request_of(ref, source="existing", version_id=done.version.version_id, overrides={}))
    assert await bench.state(ref["run_id"]) == "complete"
    assert await bench.pointer(ref["asset_id"]) == (done.version.version_id, 2)


@pytest.mark.parametrize("kind", ["run", "import", "compilation"])
async def test_only_cancellations_of_our_own_work_are_kept_for_later(bench: Bench, kind: str) -> None:
    await bench.handle(events.cancel_requested(target=kind))
    assert await bench.pool.fetchval("select count(*) from parked") == (0 if kind == "compilation" else 1)


async def test_accepting_twice_commits_once(bench: Bench) -> None:
    preview = await bench.preview(**picture())
    await bench.accept(preview)
    await bench.accept(preview)
    assert len(await bench.published("complete")) == 1
    assert (await bench.pointer(preview.asset_id))[1] == 1


async def test_a_version_of_another_run_is_not_committed(bench: Bench) -> None:
    mine, other = await bench.preview(**picture()), await bench.preview(**picture())
    await bench.accept(mine, version_id=other.candidates[0].version_id)
    assert await bench.pointer(mine.asset_id) == (None, 0)
    assert await bench.state(mine.run_id) == "preview_ready"


@pytest.mark.parametrize("first", ["rejected", "expired"])
async def test_an_acceptance_after_the_end_changes_nothing(bench: Bench, first: str) -> None:
    preview = await bench.preview(**picture())
    if first == "rejected":
        await bench.handle(events.rejected(**of(preview), version_id=preview.candidates[0].version_id))
    else:
        await bench.handle(events.review_updated(**of(preview), change="expired", state="expired"))
    await bench.accept(preview)
    assert await bench.state(preview.run_id) == first
    assert await bench.pointer(preview.asset_id) == (None, 0)
    assert await bench.published("complete") == []


async def test_opened_and_refused_reviews_change_nothing(bench: Bench) -> None:
    preview = await bench.preview(**picture())
    await bench.handle(events.review_updated(**of(preview), change="opened", state="open"))
    await bench.handle(events.review_updated(**of(preview), change="refused", state="open", reason="foreign"))
    assert await bench.state(preview.run_id) == "preview_ready"


async def test_of_two_previews_the_first_commit_wins_and_the_other_is_superseded(bench: Bench) -> None:
    ref = picture()
    one = await bench.preview(**ref)
    two = await bench.preview(**(ref | {"run_id": new_id()}))
    await asyncio.gather(bench.accept(one), bench.accept(two))
    done, failed = await bench.one("complete"), await bench.one("failed")
    assert {done.run_id, failed.run_id} == {one.run_id, two.run_id}
    assert (failed.problem.code, failed.outcome) == ("superseded", "failed")
    assert await bench.pointer(ref["asset_id"]) == (done.version.version_id, 1)
    # what was superseded can be offered again
    lost = one if failed.run_id == one.run_id else two
    again = await bench.preview(
        **(ref | {"run_id": new_id()}), source="existing", overrides={}, version_id=lost.candidates[0].version_id
    )
    await bench.accept(again)
    assert (await bench.pointer(ref["asset_id"]))[1] == 2


async def test_many_acceptances_at_once_commit_once(bench: Bench) -> None:
    preview = await bench.preview(**picture())
    await asyncio.gather(*(bench.accept(preview) for _ in range(20)))
    assert len(await bench.published("complete")) == 1


# --- cancelling


async def test_a_queued_run_is_cancelled(bench: Bench) -> None:
    request = request_of(picture())
    await bench.handle(request)
    await bench.handle(events.cancel_requested(target_id=request.run_id))
    assert (await bench.one("failed")).outcome == "cancelled"
    assert await jobs_left(bench) == 0


async def test_cancelling_stops_the_worker_at_once(bench: Bench) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def hangs(order: Any) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise

    bench.maker.script = hangs
    request = request_of(picture())
    async with bench.worker():
        await bench.handle(request)
        await asyncio.wait_for(started.wait(), 60)
        await bench.handle(events.cancel_requested(target_id=request.run_id))
        await asyncio.wait_for(stopped.wait(), 60)
    assert await bench.state(request.run_id) == "cancelled"
    assert (await bench.one("failed")).step in ("preparing", "rendering")
    assert await bench.published("preview-ready") == []
    assert not list((bench.root / "work" / "scratch" / "test").glob("*/")), "no files stay behind"


async def test_cancelling_a_preview_is_ignored(bench: Bench) -> None:
    preview = await bench.preview(**picture())
    await bench.handle(events.cancel_requested(target_id=preview.run_id))
    assert await bench.state(preview.run_id) == "preview_ready"
    assert await bench.published("failed") == []


async def test_cancelling_while_the_result_is_stored_has_one_winner(bench: Bench) -> None:
    for _ in range(10):
        request = request_of(picture())
        await bench.handle(request)
        claim = await bench.claim()

        async def work(claim: Any = claim) -> None:
            with suppress(Fenced):
                await bench.work(claim)

        async def cancel(run_id: str = request.run_id) -> None:
            await asyncio.sleep(random.random() * 0.08)
            await bench.handle(events.cancel_requested(target_id=run_id))

        await asyncio.gather(work(), cancel())
        state = await bench.state(request.run_id)
        ends = await bench.published("failed", "preview-ready", run_id=request.run_id)
        assert [e.TOPIC for e in ends] == [{"cancelled": "failed", "preview_ready": "preview-ready"}[str(state)]]


# --- workers


async def test_a_worker_past_its_lease_writes_nothing(bench: Bench) -> None:
    release = asyncio.Event()

    async def first_waits(order: Any) -> None:
        if order.attempt == 1:
            await release.wait()

    bench.maker.script = first_waits
    request = request_of(picture())
    await bench.handle(request)
    slow = await bench.claim(lease_s=0)
    late = asyncio.create_task(bench.work(slow))
    bench.tasks.append(late)
    await eventually(lambda: len(bench.maker.requests) == 1)
    await bench.work()  # stolen, and finished by the second
    preview = await bench.one("preview-ready")
    release.set()
    with pytest.raises(Fenced):
        await late
    assert len(await bench.published("preview-ready")) == 1
    assert await bench.pool.fetchval("select count(*) from versions") == 1
    assert preview.candidates[0].version_number == 1


async def test_a_run_whose_worker_died_is_made_by_the_next(bench: Bench) -> None:
    request = request_of(picture())
    await bench.handle(request)
    await bench.claim(lease_s=0)  # taken, never heard of again
    claim = await bench.claim()
    assert claim is not None
    assert claim.attempt == 2
    await bench.work(claim)
    assert await bench.state(request.run_id) == "preview_ready"


async def test_a_run_that_kills_its_workers_ends(bench: Bench) -> None:
    request = request_of(picture())
    await bench.handle(request)
    for _ in range(12):
        assert await bench.claim(lease_s=0)
    await bench.work()
    assert (await bench.one("failed")).problem.code == "worker_lost"
    assert await jobs_left(bench) == 0


async def test_a_worker_that_stops_gives_the_run_back_without_a_trace(bench: Bench) -> None:
    started = asyncio.Event()

    async def hangs(order: Any) -> None:
        started.set()
        await asyncio.sleep(60)

    bench.maker.script = hangs
    request = request_of(picture())
    async with bench.worker():
        await bench.handle(request)
        await asyncio.wait_for(started.wait(), 60)
    assert await bench.published("failed") == []
    bench.maker.script = None
    claim = await bench.claim()
    assert claim is not None
    assert claim.attempt == 1, "a shutdown is not a failure"
    await bench.work(claim)
    assert await bench.state(request.run_id) == "preview_ready"


# --- deletion


@pytest.mark.parametrize("when", ["unseen", "queued", "generating", "preview_ready"])
async def test_a_deleted_asset_ends_its_runs(bench: Bench, when: str) -> None:
    ref = picture()
    deletion = events.episode_changed(episode_id=ref["episode_id"], deleted_asset_ids=[ref["asset_id"]])
    if when == "unseen":
        await bench.handle(deletion)
        await bench.handle(request_of(ref))
    elif when == "preview_ready":
        await bench.preview(**ref)
        await bench.handle(deletion)
    else:
        await bench.handle(request_of(ref))
        claim = await bench.claim() if when == "generating" else None
        await bench.handle(deletion)
        if claim:
            with pytest.raises(Fenced):
                await bench.work(claim)
    failed = await bench.one("failed")
    assert failed.problem.code == "asset_deleted"
    assert await bench.state(ref["run_id"]) in ("failed", "cancelled")
    assert await jobs_left(bench) == 0
    assert await bench.pool.fetchval("select count(*) from versions where purged_at is null") == 0
    if when == "preview_ready":
        await bench.accept(await bench.one("preview-ready"))
        assert await bench.pointer(ref["asset_id"]) == (None, 0)


async def test_a_deleted_episode_takes_the_assets_that_are_known(bench: Bench) -> None:
    ref = picture()
    await bench.handle(request_of(ref))
    await bench.handle(events.episode_changed(episode_id=ref["episode_id"], deleted=True, segments=[]))
    assert (await bench.one("failed")).problem.code == "asset_deleted"


async def test_absence_from_the_timeline_deletes_nothing(bench: Bench) -> None:
    ref = picture()
    await bench.handle(request_of(ref))
    await bench.handle(events.episode_changed(episode_id=ref["episode_id"], segments=[]))
    assert await bench.state(ref["run_id"]) == "queued"


async def test_a_withdrawn_review_ends_its_run(bench: Bench) -> None:
    preview = await bench.preview(**picture())
    await bench.handle(events.review_updated(**of(preview), change="withdrawn", state="withdrawn"))
    assert await bench.state(preview.run_id) == "cancelled"
    assert (await bench.one("failed")).problem.code == "asset_deleted"


async def test_deleting_and_requesting_at_once_never_leaves_a_run_at_work(bench: Bench) -> None:
    for _ in range(10):
        ref = picture()
        deletion = events.episode_changed(deleted_asset_ids=[ref["asset_id"]])
        await asyncio.gather(bench.handle(request_of(ref)), bench.handle(deletion))
        assert await bench.state(ref["run_id"]) in ("failed", "cancelled")


# --- dead letters, imports


async def test_a_dead_lettered_request_fails_and_never_starts(bench: Bench) -> None:
    request = request_of(picture())
    await bench.dead_letter(request)
    failed = await bench.one("failed")
    assert (failed.run_id, failed.asset_id, failed.asset_kind) == (request.run_id, request.asset_id, "image")
    await bench.handle(request)
    assert await bench.state(request.run_id) is None
    assert await jobs_left(bench) == 0


async def test_even_an_unreadable_request_frees_its_asset(bench: Bench) -> None:
    request = request_of(picture())
    await bench.dead_letter(request, body="{not json")
    failed = await bench.one("failed")
    assert (failed.run_id, failed.asset_id) == (request.run_id, request.asset_id)


# --- the sweep


async def test_a_run_without_a_job_gets_one(bench: Bench) -> None:
    request = request_of(picture())
    await bench.handle(request)
    await bench.pool.execute("delete from jobs")
    await bench.sweep(AgeLimits(timedelta(hours=1), timedelta(hours=1)))
    assert await jobs_left(bench) == 0, "it may just be being taken"
    await bench.pool.execute("update runs set updated_at = now() - interval '1 minute'")
    await bench.sweep(AgeLimits(timedelta(hours=1), timedelta(hours=1)))
    await bench.work()
    assert await bench.state(request.run_id) == "preview_ready"


@pytest.mark.parametrize("state", ["queued", "generating"])
async def test_a_run_that_is_too_old_fails(bench: Bench, state: str) -> None:
    request = request_of(picture())
    await bench.handle(request)
    claim = await bench.claim()
    assert claim is not None
    if state == "generating":
        await bench.pool.execute("update runs set state = 'generating', started_at = now() - interval '3 hours'")
    else:
        await bench.pool.execute("update runs set created_at = now() - interval '25 hours'")
    await bench.sweep(AgeLimits(timedelta(hours=24), timedelta(hours=2)))
    failed = await bench.one("failed")
    assert failed.problem.code == "too_old"
    assert state in failed.problem.cause
    with pytest.raises(Fenced):
        await bench.work(claim)


# --- any order


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_order_a_run_ends_once_and_only_acceptance_commits(bench: Bench, seed: int) -> None:
    """Two runs of one asset; decisions, cancellations, work and repetitions in random order, some at once."""
    chance = random.Random(seed)
    ref = picture()
    runs = [ref, ref | {"run_id": new_id()}]
    for run in runs:
        await bench.handle(request_of(run))

    async def version_of(run: dict[str, Any]) -> str:
        found = await bench.pool.fetchval("select version_id from candidates where run_id = $1", run["run_id"])
        return found or new_id()

    async def act(run: dict[str, Any], what: str) -> None:
        match what:
            case "work":
                with suppress(Fenced):
                    if claim := await bench.claim(lease_s=chance.choice([0, 60])):
                        await bench.work(claim)
            case "accept":
                await bench.handle(events.accepted(**run, version_id=await version_of(run)))
            case "reject":
                await bench.handle(events.rejected(**run, version_id=await version_of(run)))
            case "expire":
                await bench.handle(events.review_updated(**run, change="expired", state="expired"))
            case "cancel":
                await bench.handle(events.cancel_requested(target_id=run["run_id"]))
            case "again":
                await bench.handle(request_of(run))

    kinds = ["work", "work", "accept", "accept", "reject", "expire", "cancel", "again"]
    for _ in range(10):
        together = [act(chance.choice(runs), chance.choice(kinds)) for _ in range(chance.choice([1, 1, 2, 3]))]
        await asyncio.gather(*together)

    commits = 0
    for run in runs:
        state = await bench.state(run["run_id"])
        ends = await bench.published("failed", "complete", run_id=run["run_id"])
        commits += sum(e.TOPIC == "complete" for e in ends)
        expected = {"complete": ["complete"], "failed": ["failed"], "cancelled": ["failed"]}.get(str(state), [])
        assert [e.TOPIC for e in ends] == expected
        assert len(await bench.published("preview-ready", run_id=run["run_id"])) <= 1
        revs = [e.run_rev for e in await bench.published(run_id=run["run_id"])]
        assert revs == sorted(set(revs)), "every event of a run has its own, rising rev"
        if state in TERMINAL:
            left = await bench.pool.fetchval(
                "select count(*) from jobs where job_id = $1 and token is null", run["run_id"]
            )
            assert left == 0
    pointer, commit_seq = await bench.pointer(ref["asset_id"])
    assert commit_seq == commits
    if pointer:
        status = "select status from versions where version_id = $1"
        assert await bench.pool.fetchval(status, pointer) == "accepted"


async def test_one_projects_many_runs_do_not_starve_anothers(bench: Bench) -> None:
    for _ in range(6):
        await bench.handle(request_of(picture()), project_id="crowd")
    lone = request_of(picture())
    await bench.handle(lone, project_id="lone")
    taken = []
    for _ in range(2):
        async with transaction(bench.pool) as connection:
            taken += await jobs.claim(connection, "render", 1, worker="test", lease_s=60)
    assert lone.run_id in [c.job_id for c in taken]
