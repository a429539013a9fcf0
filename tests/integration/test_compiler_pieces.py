"""The piece store (one maker at a time, take-over from a dead one, late results refused) and local files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from services.compiler.commands.pieces import PieceBuilder
from services.compiler.commands.ports import Progress
from services.compiler.planning.pieces import Piece, PieceKind, Recipe, StemRecipe
from services.compiler.planning.render_speed import ProgressMeter, RenderSpeed
from services.compiler.rendering.files import LocalFiles, Scratch
from services.compiler.store.pieces import PostgresPieceStore
from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.core.errors import Permanent, RetakeError
from shared.core.ids import new_id
from shared.objects import Objects, ObjectStore, open_objects
from shared.postgres.pool import Pool, open_pool
from tests.conftest import FreshDatabase
from tests.support import events

REF = events.object_ref(bucket="compiler")


@pytest_asyncio.fixture
async def pool(fresh_database: FreshDatabase) -> AsyncIterator[Pool]:
    async with open_pool(await fresh_database("compiler")) as opened:
        yield opened


@pytest.fixture
def piece_store(pool: Pool) -> PostgresPieceStore:
    return PostgresPieceStore(pool, new_id, SystemClock())


def piece(key: str) -> Piece:
    return Piece(key, PieceKind.STEM, REF, {"samples": 1})


async def test_one_maker_at_a_time(piece_store: PostgresPieceStore) -> None:
    taken = await asyncio.gather(*(piece_store.claim("k", PieceKind.STEM) for _ in range(10)))
    (token,) = [t for t in taken if t]
    assert await piece_store.find(["k"]) == {}
    assert await piece_store.finish(piece("k"), token)
    assert await piece_store.find(["k", "other"]) == {"k": piece("k")}
    assert await piece_store.claim("k", PieceKind.STEM) is None


async def test_a_released_piece_is_free_again(piece_store: PostgresPieceStore) -> None:
    token = await piece_store.claim("k", PieceKind.STEM)
    assert token
    await piece_store.release("k", token)
    assert await piece_store.claim("k", PieceKind.STEM)


async def test_a_dead_makers_piece_is_taken_over_and_its_late_result_refused(
    piece_store: PostgresPieceStore, pool: Pool
) -> None:
    late = await piece_store.claim("k", PieceKind.STEM)
    assert late
    assert await piece_store.renew("k", late)
    await pool.execute("update pieces set lease_until = now() - interval '1 s'")
    now = await piece_store.claim("k", PieceKind.STEM)
    assert now
    assert not await piece_store.renew("k", late)
    assert not await piece_store.finish(piece("k"), late)
    await piece_store.release("k", late)  # does not take the other's claim away
    assert await piece_store.finish(piece("k"), now)


class Bench:
    """A renderer that slowly makes empty stems and counts them."""

    def __init__(self, seconds: float = 0.05, failures: Mapping[str, RetakeError] | None = None) -> None:
        self.made: list[str] = []
        self.stopped: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._seconds = seconds
        self._failures = failures or {}

    async def make(self, recipe: Recipe, *, low_priority: bool, on_progress: Progress) -> Piece:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self._seconds)
            if failure := self._failures.get(recipe.name):
                raise failure
            self.made.append(recipe.name)
            return piece(recipe.key)
        except asyncio.CancelledError:
            self.stopped.append(recipe.name)
            raise
        finally:
            self._at_once -= 1


def builder(piece_store: PostgresPieceStore, bench: Bench, at_once: int = 2) -> PieceBuilder:
    return PieceBuilder(piece_store, bench, SystemClock(), RenderSpeed(), ProgressMeter(1), at_once=at_once)  # type: ignore[arg-type]


def recipes(*names: str) -> list[Recipe]:
    return [StemRecipe(f"key-{name}", name, REF, 1.0) for name in names]


async def test_two_jobs_that_need_one_piece_make_it_once(piece_store: PostgresPieceStore) -> None:
    bench = Bench(0.2)
    one, two = builder(piece_store, bench), builder(piece_store, bench)
    wanted = recipes("a", "b", "a")
    found = await asyncio.gather(one.build(wanted), two.build(wanted))
    assert sorted(bench.made) == ["a", "b"]
    assert found[0] == found[1]
    assert set(found[0]) == {"key-a", "key-b"}
    later = builder(piece_store, bench)
    await later.build(wanted)
    assert (later.tally.reused, later.tally.rendered) == (2, 0)


async def test_no_more_at_once_than_allowed(piece_store: PostgresPieceStore) -> None:
    bench = Bench()
    await builder(piece_store, bench, at_once=3).build(recipes(*"abcdefgh"))
    assert bench.most_at_once == 3


async def test_a_failure_names_its_piece_stops_the_others_and_frees_them(
    piece_store: PostgresPieceStore, pool: Pool
) -> None:
    bench = Bench(0.05, {"segment 2": Permanent("bad", "The file is damaged.", "")})
    with pytest.raises(Permanent) as failed:
        await builder(piece_store, bench).build([*recipes("segment 2"), *recipes(*"abcdef")])
    assert failed.value.cause == "Segment 2: The file is damaged."
    assert failed.value.recovery
    assert len(bench.made) < 6
    assert await pool.fetchval("select count(*) from pieces where made_at is null") == 0


async def test_a_cancelled_job_stops_its_work_and_frees_it(piece_store: PostgresPieceStore, pool: Pool) -> None:
    bench = Bench(30)
    job = asyncio.create_task(builder(piece_store, bench).build(recipes("a", "b", "c")))
    while bench.most_at_once < 2:
        await asyncio.sleep(0.01)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert sorted(bench.stopped) == ["a", "b"]
    assert await pool.fetchval("select count(*) from pieces") == 0


class SlowToTell(PostgresPieceStore):
    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, new_id, SystemClock())
        self.telling = asyncio.Event()

    async def finish(self, piece: Piece, token: str) -> bool:
        self.telling.set()
        await asyncio.sleep(0.05)
        return await super().finish(piece, token)


async def test_of_a_piece_that_is_made_is_told_also_by_a_job_that_is_cancelled_just_then(pool: Pool) -> None:
    piece_store = SlowToTell(pool)
    job = asyncio.create_task(builder(piece_store, Bench(0)).build(recipes("a")))
    await piece_store.telling.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await piece_store.find(["key-a"]) == {"key-a": piece("key-a")}


async def test_what_a_killed_process_left_in_scratch_is_removed(tmp_path: Path) -> None:
    async with Scratch(tmp_path, new_id) as living:
        async with living.folder() as mine:
            (mine / "at-work").touch()
            killed = tmp_path / "scratch" / "killed"
            killed.mkdir()
            (killed / "lock").touch()  # nobody holds it
            (killed / "half-a-film").touch()
            async with Scratch(tmp_path, new_id):
                assert not killed.exists()
                assert (mine / "at-work").exists()
        assert not mine.exists()
    assert list((tmp_path / "scratch").iterdir()) == []


class Remote:
    """An object store without local files, like S3."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.fetched = 0

    def local_path(self, key: str) -> Path | None:
        return None

    async def fetch(self, ref: object, path: Path) -> None:
        self.fetched += 1
        await self._store.fetch(ref, path)  # type: ignore[arg-type]


async def test_objects_of_a_directory_are_used_in_place_others_are_fetched_once(tmp_path: Path) -> None:
    async with open_objects(f"file://{tmp_path}/objects", Service.COMPILER) as objects:
        ref = await objects.own.put_bytes("pieces/x", b"0123456789", "video/mp4")
        local = LocalFiles(objects, tmp_path / "cache", limit_bytes=0)
        assert await local.path(ref) == tmp_path / "objects" / "compiler" / "pieces" / "x"
        remote = Remote(objects.own)
        cached = LocalFiles(Objects(remote, lambda _: remote), tmp_path / "cache", limit_bytes=5)  # type: ignore[arg-type,return-value]
        paths = await asyncio.gather(*(cached.path(ref) for _ in range(5)))
        assert {p.read_bytes() for p in paths} == {b"0123456789"}
        assert remote.fetched == 1
        await objects.own.delete(ref.key)
        with pytest.raises(Permanent, match="does not exist"):
            await local.path(ref)


async def test_the_cache_keeps_to_its_limit(tmp_path: Path) -> None:
    async with open_objects(f"file://{tmp_path}/objects", Service.COMPILER) as objects:
        remote = Remote(objects.own)
        cache = LocalFiles(Objects(remote, lambda _: remote), tmp_path / "cache", limit_bytes=25)  # type: ignore[arg-type,return-value]
        refs = [await objects.own.put_bytes(f"pieces/{n}", bytes((n,)) * 10, "video/mp4") for n in range(4)]
        for ref in refs[:3]:
            os.utime(await cache.path(ref), (0, 0))  # long unused
        await cache.path(refs[3])
        assert len(list((tmp_path / "cache").iterdir())) == 2
        assert (tmp_path / "cache" / refs[3].sha256).exists()
