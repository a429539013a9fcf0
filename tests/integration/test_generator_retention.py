"""Retention in the generator: committed and used versions are kept, the rest is deleted, and `gc` explains why."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aioboto3
import pytest
import pytest_asyncio

from services.generator.retention import retention_service
from shared.contracts.values import AssetKind
from shared.core.errors import Retryable
from shared.core.ids import new_id
from shared.retention import command
from shared.retention.engine import Freed, RetentionService
from tests.support import events
from tests.support.clock import FakeClock
from tests.support.generator import Bench, emptied_database, open_bench
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server

WEEK, GRACE = timedelta(days=7), timedelta(hours=48)
OVER = timedelta(minutes=1)


@dataclass
class RetentionHarness:
    """A bench whose clock a test moves, with its retention service."""

    bench: Bench
    clock: FakeClock
    retention: RetentionService

    async def sweep(self, after: timedelta = timedelta()) -> Freed:
        self.clock.move(after.total_seconds())
        now = self.clock.now()
        return await self.retention.purge(now) + await self.retention.collect(now)

    async def marked(self, version_id: str) -> bool | None:
        """None if it has no row any more."""
        found = await self.bench.pool.fetchrow("select purged_at from versions where version_id = $1", version_id)
        return found and found["purged_at"] is not None

    async def files(self) -> set[str]:
        return {o.key async for o in self.bench.objects.own.list()}

    async def has_bytes(self, version: Any) -> bool:
        files = await self.files()
        return {r.key for r in (version.object, version.poster) if r} <= files

    async def explained(self) -> dict[str, dict[str, Any]]:
        found = {}
        async for line in self.retention.explain(self.clock.now()):
            found[line.id] = {
                "action": line.disposition.action.value,
                "why": line.disposition.reason,
                "bytes": line.size,
                "project": line.project_id,
                "until": line.disposition.until,
            }
        return found


@pytest_asyncio.fixture
async def harness(postgres: Postgres, tmp_path: Path) -> AsyncIterator[RetentionHarness]:
    clock = FakeClock(datetime.now(UTC))
    async with open_bench(await emptied_database(postgres), tmp_path, clock=clock) as bench:
        yield RetentionHarness(bench, clock, retention_service(bench.pool, bench.objects.own, bench.base.publisher))


@pytest_asyncio.fixture
async def harness_on_s3(
    postgres: Postgres, tmp_path: Path, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RetentionHarness]:
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"retention-{new_id()}"
    async with aioboto3.Session().client("s3", endpoint_url=s3_server.endpoint) as client:
        await client.create_bucket(Bucket=bucket)
    clock = FakeClock(datetime.now(UTC))
    database = await emptied_database(postgres)
    async with open_bench(database, tmp_path, clock=clock, objects_url=f"s3://{bucket}/films") as bench:
        yield RetentionHarness(bench, clock, retention_service(bench.pool, bench.objects.own, bench.base.publisher))


def of(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in events.ref()}


def again(event: Any) -> dict[str, Any]:
    return of(event) | {"run_id": new_id()}


def picture() -> dict[str, Any]:
    return events.ref(asset_kind=AssetKind.IMAGE)


async def reject(harness: RetentionHarness, preview: Any) -> None:
    await harness.bench.handle(events.rejected(**of(preview), version_id=preview.candidates[0].version_id))


async def test_a_rejected_version_is_marked_after_a_week_and_deleted_two_days_later(harness: RetentionHarness) -> None:
    preview = await harness.bench.preview(**picture())
    version = preview.candidates[0]
    await reject(harness, preview)
    assert await harness.sweep(WEEK - OVER) == Freed()
    assert (await harness.explained())[version.version_id]["why"] == "rejected"
    assert (await harness.sweep(2 * OVER)).marked == 1
    assert await harness.sweep(GRACE - OVER) == Freed()
    assert await harness.has_bytes(version)
    done = await harness.sweep(2 * OVER)
    assert (done.deleted, done.size) == (1, version.object.size + version.poster.size)
    assert await harness.files() == set()
    assert await harness.marked(version.version_id) is None
    assert await harness.bench.state(preview.run_id) == "rejected", "the run's history stays"


async def test_the_last_three_accepted_versions_are_kept_and_events_name_the_others(harness: RetentionHarness) -> None:
    first = await harness.bench.committed(**picture())
    done = [first] + [await harness.bench.committed(**again(first)) for _ in range(3)]
    assert [d.retired for d in done] == [[], [], [], [first.version.version_id]]
    assert (await harness.sweep()).marked == 1
    assert await harness.marked(first.version.version_id)
    assert (await harness.sweep(GRACE + OVER)).deleted == 1
    assert [await harness.has_bytes(d.version) for d in done] == [False, True, True, True]
    assert await harness.sweep(timedelta(days=400)) == Freed()


@pytest.mark.component("s3_server")
async def test_marking_and_collecting_work_on_s3(harness_on_s3: RetentionHarness) -> None:
    harness, store = harness_on_s3, harness_on_s3.bench.objects.own
    first = await harness.bench.committed(**picture())
    done = [first] + [await harness.bench.committed(**again(first)) for _ in range(3)]
    orphans = [f"versions/{new_id()}/image.bin", "failed/run/0-1.bin"]
    for key in orphans:
        await store.put_bytes(key, b"left behind", "application/octet-stream")
    versions = {key for d in done[1:] for key in (d.version.object.key, d.version.poster.key)}
    assert (await harness.sweep()).marked == 1
    assert (await harness.sweep(GRACE + OVER)).deleted == 2, "the version, and what a dead worker left"
    assert await harness.files() == versions | {orphans[1]}, "a bad output is kept for support a little longer"
    await harness.sweep(WEEK)
    assert await harness.files() == versions


async def test_a_version_replaced_without_keeping_the_original_does_not_count_among_the_last_three(
    harness: RetentionHarness,
) -> None:
    first = await harness.bench.committed(**picture())
    second = await harness.bench.committed(**again(first))
    third = await harness.bench.committed(**again(first))
    fourth = await harness.bench.committed(**again(first), keep_original=False)
    assert fourth.retired == [third.version.version_id]
    await harness.sweep()
    await harness.sweep(GRACE + OVER)
    assert [await harness.has_bytes(d.version) for d in (first, second, third, fourth)] == [True, True, False, True]


async def test_rolling_back_makes_the_version_the_newest_of_the_three(harness: RetentionHarness) -> None:
    first = await harness.bench.committed(**picture())
    others = [await harness.bench.committed(**again(first)) for _ in range(2)]
    back = await harness.bench.committed(
        **again(first), source="existing", overrides={}, version_id=first.version.version_id
    )
    assert back.retired == []
    last = await harness.bench.committed(**again(first))
    assert last.retired == [others[0].version.version_id]


async def test_a_deleted_asset_loses_its_bytes_after_the_grace_period_and_gets_a_tombstone(
    harness: RetentionHarness,
) -> None:
    done = await harness.bench.committed(**picture())
    waiting = await harness.bench.preview(**again(done))
    await harness.bench.handle(events.episode_changed(episode_id=done.episode_id, deleted_asset_ids=[done.asset_id]))
    assert (await harness.explained())[done.version.version_id]["why"] == "its asset was deleted"
    await harness.sweep(GRACE - OVER)
    assert await harness.has_bytes(done.version)
    await harness.sweep(2 * OVER)
    assert await harness.files() == set()
    assert await harness.marked(waiting.candidates[0].version_id) is None
    last = await harness.bench.pool.fetchrow("select topic, key, body from outbox order by id desc limit 1")
    assert (last["topic"], last["key"], last["body"]) == ("complete", done.asset_id, None)


async def test_a_restored_asset_keeps_its_versions_and_takes_new_runs(harness: RetentionHarness) -> None:
    old = await harness.bench.preview(**picture())
    await reject(harness, old)
    assert (await harness.sweep(WEEK + OVER)).marked == 1  # by retention, before the deletion
    harness.clock.move(OVER.total_seconds())
    done = await harness.bench.committed(**again(old))
    waiting = await harness.bench.preview(**again(done))
    episode = {"episode_id": done.episode_id}
    await harness.bench.handle(events.episode_changed(**episode, deleted_asset_ids=[done.asset_id]))
    await harness.sweep(GRACE - 3 * OVER)
    await harness.bench.handle(events.episode_changed(**episode, restored_asset_ids=[done.asset_id, new_id()]))
    assert await harness.bench.state(waiting.run_id) == "cancelled"
    await harness.sweep(4 * OVER)
    assert await harness.marked(old.candidates[0].version_id) is None, "what retention had marked stays so"
    assert await harness.marked(waiting.candidates[0].version_id) is False, "it can be offered again"
    assert await harness.has_bytes(done.version)
    assert await harness.bench.pointer(done.asset_id) == (done.version.version_id, 1)
    newer = await harness.bench.committed(**again(done))
    assert newer.commit_seq == 2


async def test_a_starting_image_of_an_active_run_is_kept_until_the_run_ends(harness: RetentionHarness) -> None:
    image = await harness.bench.committed()
    newer = await harness.bench.preview(**again(image), keep_original=False)
    video = events.regenerate_requested(
        asset_kind=AssetKind.VIDEO,
        overrides={"directions": "Pan left"},
        starting_image_version_id=image.version.version_id,
    )
    await harness.bench.handle(video)
    await harness.bench.accept(newer)
    assert await harness.sweep(GRACE + OVER) == Freed()
    assert (await harness.explained())[image.version.version_id]["action"] == "keep"
    await harness.bench.handle(events.cancel_requested(target_id=video.run_id))
    assert (await harness.sweep()).marked == 1


async def test_a_run_that_needs_a_marked_version_fails_with_instructions(harness: RetentionHarness) -> None:
    image = await harness.bench.committed()
    newer = await harness.bench.preview(**again(image), keep_original=False)
    await harness.bench.accept(newer)
    await harness.sweep()
    video = events.regenerate_requested(
        asset_kind=AssetKind.VIDEO,
        overrides={"directions": "Pan left"},
        starting_image_version_id=image.version.version_id,
    )
    await harness.bench.handle(video)
    assert (await harness.bench.one("failed", run_id=video.run_id)).problem.code == "starting_image_missing"
    back = events.regenerate_requested(
        **again(image), source="existing", overrides={}, version_id=image.version.version_id
    )
    await harness.bench.handle(back)
    assert (await harness.bench.one("failed", run_id=back.run_id)).problem.code == "version_purged"


async def test_of_a_concurrent_mark_and_reopening_exactly_one_wins(harness: RetentionHarness) -> None:
    outcomes: Counter[str | None] = Counter()
    for _ in range(12):
        preview = await harness.bench.preview(**picture())
        await reject(harness, preview)
        harness.clock.move((WEEK + OVER).total_seconds())
        reopened = events.regenerate_requested(
            **again(preview), source="existing", overrides={}, version_id=preview.candidates[0].version_id
        )

        async def reopen(request: Any = reopened) -> None:
            await asyncio.sleep(random.random() * 0.004)
            await harness.bench.handle(request)

        await asyncio.gather(reopen(), harness.sweep())
        await harness.sweep()
        state = await harness.bench.state(reopened.run_id)
        assert await harness.marked(preview.candidates[0].version_id) == (state == "failed")
        outcomes[state] += 1
    assert set(outcomes) <= {"failed", "preview_ready"}


async def test_objects_without_a_row_are_collected_after_the_period_of_their_folder(harness: RetentionHarness) -> None:
    own = harness.bench.objects.own
    done = await harness.bench.committed(**picture())
    late, support, clip = (f"versions/{new_id()}/image.bin", f"failed/{new_id()}/0.mp4", f"imports/{new_id()}/1.mp4")
    for key in (late, support, clip, "elsewhere/thing.bin"):
        await own.put_bytes(key, b"left", "video/mp4")
    user = events.regenerate_requested(
        asset_kind=AssetKind.VIDEO,
        source="import",
        overrides={},
        input_object=await own.put_bytes(f"imports/{new_id()}/2.mp4", b"used", "video/mp4"),
    )
    await harness.bench.handle(user)
    lines = await harness.explained()
    assert (lines[late]["action"], lines[late]["why"], lines[late]["project"]) == ("wait", "no row refers to it", None)
    await harness.sweep(GRACE + OVER)
    assert {late, support, clip} - await harness.files() == {late}
    await harness.sweep(WEEK)
    assert await harness.files() == {
        "elsewhere/thing.bin",
        done.version.object.key,
        done.version.poster.key,
        user.input_object.key,
    }


async def test_a_crash_between_bytes_and_row_is_finished_by_the_next_round(
    harness: RetentionHarness, monkeypatch: Any
) -> None:
    preview = await harness.bench.preview(**picture())
    await reject(harness, preview)
    await harness.sweep(WEEK + OVER)
    store = harness.bench.objects.own

    async def away(*keys: str) -> None:
        raise Retryable("object_store_unavailable", "The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(store, "delete", away)
        with pytest.raises(Retryable):
            await harness.sweep(GRACE + OVER)
    assert await harness.marked(preview.candidates[0].version_id)
    await store.delete(preview.candidates[0].object.key)
    assert (await harness.sweep()).deleted == 1
    assert await harness.files() == set()


async def test_the_dry_run_explains_every_record_as_json_and_changes_nothing(
    harness: RetentionHarness, capsys: Any
) -> None:
    preview = await harness.bench.preview(**picture())
    await reject(harness, preview)
    committed = await harness.bench.committed(**picture())
    harness.clock.move((WEEK + OVER).total_seconds())

    @asynccontextmanager
    async def opened() -> AsyncIterator[RetentionService]:
        yield harness.retention

    def output(*arguments: str) -> list[dict[str, Any]]:
        assert command.run_command("generator", ["gc", *arguments], opened, harness.clock) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    lines = await _in_a_loop_of_its_own(harness, output, "--dry-run")
    by_id = {line["id"]: line for line in lines}
    assert by_id[preview.candidates[0].version_id]["action"] == "mark"
    assert by_id[committed.version.version_id]["why"].startswith("committed")
    assert {line["service"] for line in lines} == {"generator"}
    assert not await harness.marked(preview.candidates[0].version_id)


async def _in_a_loop_of_its_own(harness: RetentionHarness, work: Any, *arguments: str) -> Any:
    """The command runs a loop of its own; the pool belongs to this one, so its work is sent back here."""
    loop = asyncio.get_running_loop()
    run = command.asyncio.run
    try:
        command.asyncio.run = lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(30)  # type: ignore[assignment]
        return await asyncio.to_thread(work, *arguments)
    finally:
        command.asyncio.run = run


@dataclass
class History:
    """Random lives of a few assets, and the invariants that hold after every step."""

    harness: RetentionHarness
    dice: random.Random
    refs: list[dict[str, Any]] = field(default_factory=list)
    previews: list[Any] = field(default_factory=list)
    closed: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    accepted: dict[str, list[str]] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    @property
    def bench(self) -> Bench:
        return self.harness.bench

    async def step(self) -> None:
        moves = [
            self.make,
            self.make,
            self.make_video,
            self.accept,
            self.accept,
            self.accept,
            self.close,
            self.offer_again,
            self.roll_back,
            self.leave_an_object,
            self.wait,
        ]
        if self.dice.random() < 0.02:
            moves = [self.delete]
        await self.dice.choice(moves)()

    def ref(self) -> dict[str, Any]:
        if len(self.refs) < 2:
            self.refs.append(picture())
        return self.dice.choice(self.refs) | {"run_id": new_id()}

    async def start(self, **fields: Any) -> None:
        request = events.regenerate_requested(**({"overrides": {"directions": "A lighthouse"}} | fields))
        await self.bench.handle(request)
        if await self.bench.state(request.run_id) == "queued":
            await self.bench.work_off()
        if await self.bench.state(request.run_id) == "preview_ready":
            self.previews.append((request, await self.bench.one("preview-ready", run_id=request.run_id)))

    async def make(self) -> None:
        await self.start(**self.ref(), variants=self.dice.choice([1, 1, 2]), keep_original=self.dice.random() < 0.8)

    async def make_video(self) -> None:
        pinned = [v for ref in self.refs if (v := (await self.bench.pointer(ref["asset_id"]))[0])]
        if pinned:
            await self.start(asset_kind=AssetKind.VIDEO, starting_image_version_id=self.dice.choice(pinned))

    async def accept(self) -> None:
        if not self.previews:
            return
        request, preview = self.previews.pop(self.dice.randrange(len(self.previews)))
        before, _ = await self.bench.pointer(preview.asset_id)
        chosen = self.dice.choice(preview.candidates).version_id
        await self.bench.accept(preview, version_id=chosen)
        if await self.bench.state(preview.run_id) == "complete":
            order = self.accepted.setdefault(preview.asset_id, [])
            self.accepted[preview.asset_id] = [chosen, *(v for v in order if v != chosen)]
            self.replaced.discard(chosen)
            if not request.keep_original and before and before != chosen:
                self.replaced.add(before)
        self.closed += [(of(preview), v.version_id) for v in preview.candidates if v.version_id != chosen]

    async def close(self) -> None:
        if not self.previews:
            return
        _, preview = self.previews.pop(self.dice.randrange(len(self.previews)))
        if self.dice.random() < 0.5:
            await reject(self.harness, preview)
        else:
            await self.bench.handle(events.review_updated(**of(preview), change="expired", state="expired"))
        self.closed += [(of(preview), v.version_id) for v in preview.candidates]

    async def offer_again(self) -> None:
        if self.closed:
            ref, version_id = self.dice.choice(self.closed)
            await self.start(**(ref | {"run_id": new_id()}), source="existing", overrides={}, version_id=version_id)

    async def roll_back(self) -> None:
        known = [(asset, v) for asset, order in self.accepted.items() for v in order]
        if known:
            asset_id, version_id = self.dice.choice(known)
            ref = next((r for r in self.refs if r["asset_id"] == asset_id), None)
            if ref:
                await self.start(**(ref | {"run_id": new_id()}), source="existing", overrides={}, version_id=version_id)
                await self.accept()

    async def leave_an_object(self) -> None:
        await self.bench.objects.own.put_bytes(f"versions/{new_id()}/image.bin", b"left", "image/jpeg")

    async def delete(self) -> None:
        if self.refs:
            ref = self.refs.pop(self.dice.randrange(len(self.refs)))
            self.deleted.add(ref["asset_id"])
            await self.bench.handle(
                events.episode_changed(episode_id=ref["episode_id"], deleted_asset_ids=[ref["asset_id"]])
            )

    async def wait(self) -> None:
        hours = self.dice.choice([1, 24, 49, 24 * 8])
        await self.harness.sweep(timedelta(hours=hours))
        await self.check()

    async def check(self) -> None:
        files, now = await self.harness.files(), self.harness.clock.now()
        versions = {r["version_id"]: r for r in await self.bench.pool.fetch("select * from versions")}
        must = {v for v in await self._pointers() if v}
        must |= set(await self._in_use())
        for asset_id, order in self.accepted.items():
            if asset_id not in self.deleted:
                must |= set([v for v in order if v not in self.replaced][:3])
        for version_id in must:
            row = versions.get(version_id)
            assert row, f"{version_id} lost its row"
            assert row["asset_id"] in self.deleted or row["purged_at"] is None, f"{version_id} is marked"
        for row in versions.values():  # as long as a row exists, its bytes exist
            if row["purged_at"] is None or row["purged_at"] > now - GRACE:
                assert row["facts"]["object"]["key"] in files

    async def _pointers(self) -> list[str | None]:
        rows = await self.bench.pool.fetch("select committed_version_id from assets where deleted_at is null")
        return [r["committed_version_id"] for r in rows]

    async def _in_use(self) -> list[str]:
        rows = await self.bench.pool.fetch(
            "select c.version_id from runs join candidates c using (run_id) where state = 'preview_ready' and "
            "c.version_id is not null union select (request ->> 'starting_image_version_id')::uuid from runs "
            "where state = 'preview_ready' and request ->> 'starting_image_version_id' is not null"
        )
        return [r["version_id"] for r in rows]

    async def end(self) -> None:
        """Closes every preview; what is left then must be kept by a rule."""
        while self.previews:
            await self.close()
        await self.harness.sweep(WEEK + OVER)
        await self.harness.sweep(GRACE + WEEK)
        await self.check()
        left = {r["version_id"] for r in await self.bench.pool.fetch("select version_id from versions")}
        expected = {
            v
            for asset, order in self.accepted.items()
            if asset not in self.deleted
            for v in [v for v in order if v not in self.replaced][:3]
        }
        assert left == expected | {v for v in await self._pointers() if v}
        assert {key.split("/")[1] for key in await self.harness.files()} == left, "every object has a row"


@pytest.mark.parametrize("seed", [2, 6])
async def test_after_any_history_what_is_kept_exists_and_the_rest_is_deleted(
    harness: RetentionHarness, seed: int
) -> None:
    history = History(harness, random.Random(seed))
    for _ in range(130):
        await history.step()
    await history.end()
    assert sum(map(len, history.accepted.values())) > 5, "the history accepted versions"
