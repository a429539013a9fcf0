"""Retention in the compiler: used pieces and the last films are kept, the rest is deleted, and `gc` explains why."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from services.compiler.planning.pieces import Piece, PieceKind
from services.compiler.retention import retention_service
from services.compiler.store.compilations import CompilationRepository
from services.compiler.store.pieces import PostgresPieceStore
from shared.contracts.topics import Service
from shared.contracts.values import ObjectRef
from shared.core.errors import Retryable
from shared.core.ids import new_id
from shared.messaging.events import Cause, Publisher
from shared.objects import ObjectStore, StoredObject, open_objects
from shared.postgres.pool import Pool, open_pool, transaction
from shared.retention.command import run_command
from shared.retention.engine import Freed, RetentionService
from tests.conftest import FreshDatabase
from tests.support import events
from tests.support.clock import FakeClock

WEEK, GRACE, OVER = timedelta(days=7), timedelta(hours=48), timedelta(minutes=1)


class AgingStore:
    """A store whose objects have the modification times of a test's clock."""

    def __init__(self, store: ObjectStore, clock: FakeClock) -> None:
        self._store = store
        self._clock = clock
        self.written: dict[str, datetime] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        async for stored in self._store.list(prefix):
            yield replace(stored, modified=self.written.get(stored.key, self._clock.now()))


@dataclass
class RetentionHarness:
    """A compiler's rows and objects, and a clock that a test moves. The age of objects follows that clock."""

    pool: Pool
    store: ObjectStore
    aging: AgingStore
    clock: FakeClock
    piece_store: PostgresPieceStore
    retention: RetentionService

    async def sweep(self, after: timedelta = timedelta()) -> Freed:
        self.clock.move(after.total_seconds())
        now = self.clock.now()
        return await self.retention.purge(now) + await self.retention.collect(now)

    async def put(self, key: str, content: bytes = b"some") -> ObjectRef:
        self.aging.written[key] = self.clock.now()
        return await self.store.put_bytes(key, content, "video/mp4")

    async def piece(self, key: str, kind: PieceKind = PieceKind.CLIP) -> Piece | None:
        """Found, or rendered; None while another worker renders it."""
        if found := await self.piece_store.find([key]):
            return found[key]
        token = await self.piece_store.claim(key, kind)
        if token is None:
            return None
        ref = None if kind is PieceKind.TRACK else await self.put(f"pieces/{kind}/{key}/{new_id()}")
        piece = Piece(key, kind, ref, {})
        assert await self.piece_store.finish(piece, token)
        return piece

    async def begin(self, episode_id: str) -> str:
        request = events.compile_requested(
            compilation_id=new_id(), episode_id=episode_id, expires_at=self.clock.now() + timedelta(hours=24)
        )
        async with transaction(self.pool) as connection:
            compilations = CompilationRepository(
                connection, Publisher(Service.COMPILER, self.clock, new_id), render_ahead=False
            )
            assert await compilations.admit(request, Cause("project", "owner", new_id()), 1.0, self.clock.now())
        return request.compilation_id

    async def film(self, episode_id: str) -> str:
        """A completed, signed film with its poster and captions, and its file as it was before signing."""
        film = await self.begin(episode_id)
        await self.complete(film)
        return film

    async def complete(self, film: str) -> None:
        unsigned, signed, poster, captions = [
            await self.put(f"films/{film}/{new_id()}{name}") for name in (".mp4", ".mp4", ".jpg", "/captions.vtt")
        ]
        stored = {
            "object": signed.model_dump(mode="json"), "unsigned": unsigned.model_dump(mode="json"),
            "poster": poster.model_dump(mode="json"),
            "files": {"captions.vtt": captions.model_dump(mode="json")}, "warnings": ["None."], "media": {"fps": 24},
        }  # fmt: skip
        self.clock.move(1)
        await self.pool.execute(
            "update compilations set state = 'completed', result = $2, completed_at = $3 where compilation_id = $1",
            film,
            stored,
            self.clock.now(),
        )

    async def delete_episode(self, episode_id: str) -> None:
        async with transaction(self.pool) as connection:
            compilations = CompilationRepository(
                connection, Publisher(Service.COMPILER, self.clock, new_id), render_ahead=False
            )
            assert await compilations.store_timeline(events.episode_changed(episode_id=episode_id, deleted=True))

    async def files(self) -> set[str]:
        return {o.key async for o in self.store.list()}

    async def owners(self) -> set[str]:
        """The compilations and pieces that have objects."""
        return {k.split("/")[1 if k.startswith("films/") else 2] for k in await self.files()}

    async def explained(self) -> dict[str, tuple[str, str, str | None]]:
        return {
            line.id: (line.disposition.action.value, line.disposition.reason, line.project_id)
            async for line in self.retention.explain(self.clock.now())
        }


@pytest_asyncio.fixture
async def harness(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[RetentionHarness]:
    clock = FakeClock(datetime.now(UTC))
    async with (
        open_pool(await fresh_database("compiler")) as pool,
        open_objects(f"file://{tmp_path}", Service.COMPILER) as objects,
    ):
        aging = AgingStore(objects.own, clock)
        retention = retention_service(pool, cast(ObjectStore, aging))
        yield RetentionHarness(pool, objects.own, aging, clock, PostgresPieceStore(pool, new_id, clock), retention)


async def test_an_unused_piece_is_marked_after_a_week_and_deleted_two_days_later(harness: RetentionHarness) -> None:
    piece = await harness.piece("k")
    track = await harness.piece("t", PieceKind.TRACK)
    assert piece and track
    assert await harness.sweep(WEEK - OVER) == Freed()
    assert (await harness.explained())["k"][:2] == ("keep", "used by a film or rendered ahead")
    assert (await harness.sweep(2 * OVER)).marked == 2
    assert (await harness.explained())["k"][:2] == ("wait", "unused for 7 days")
    assert await harness.sweep(GRACE - OVER) == Freed()
    assert piece.bytes.key in await harness.files()
    done = await harness.sweep(2 * OVER)
    assert (done.deleted, done.size) == (2, piece.bytes.size)
    assert await harness.files() == set()
    assert await harness.pool.fetchval("select count(*) from pieces") == 0


async def test_a_use_keeps_a_piece_for_another_week_and_removes_its_mark(harness: RetentionHarness) -> None:
    piece = await harness.piece("k")
    await harness.sweep(WEEK - OVER)
    assert await harness.piece_store.find(["k"]) == {"k": piece}
    assert await harness.sweep(WEEK - OVER) == Freed()
    assert (await harness.sweep(2 * OVER)).marked == 1
    harness.clock.move((GRACE + OVER).total_seconds())
    assert await harness.piece_store.find(["k"]) == {"k": piece}, "its bytes exist until a round releases it"
    assert await harness.sweep() == Freed()
    assert (await harness.explained())["k"][0] == "keep"


async def test_a_piece_needed_while_its_bytes_are_deleted_is_rendered_again(
    harness: RetentionHarness, monkeypatch: Any
) -> None:
    old = await harness.piece("k")
    await harness.sweep(WEEK + OVER)
    real = harness.store.delete
    anew: list[Piece | None] = []

    async def slow(*keys: str) -> None:
        if keys and not anew:
            assert await harness.piece_store.find(["k"]) == {}
            anew.append(await harness.piece("k"))
        await real(*keys)

    monkeypatch.setattr(harness.store, "delete", slow)
    await harness.sweep(GRACE + OVER)
    assert old and anew[0] and anew[0] != old
    assert await harness.piece_store.find(["k"]) == {"k": anew[0]}
    assert await harness.files() == {anew[0].bytes.key}


async def test_a_use_concurrent_with_a_deletion_always_has_its_bytes(harness: RetentionHarness) -> None:
    outcomes: Counter[str] = Counter()
    dice = random.Random(5)
    for number in range(30):
        key = f"k{number}"
        before = await harness.piece(key)
        await harness.sweep(WEEK + OVER)
        harness.clock.move((GRACE + OVER).total_seconds())

        async def use(key: str = key) -> Piece | None:
            await asyncio.sleep(dice.random() * 0.004)
            return await harness.piece(key)

        used, _ = await asyncio.gather(use(), harness.sweep())
        assert used and used.bytes.key in await harness.files()
        outcomes["found" if used == before else "rendered"] += 1
    assert sum(outcomes.values()) == 30


@pytest.mark.parametrize("what", ["piece", "film"])
async def test_an_unavailable_store_delays_deletion_and_loses_nothing(
    harness: RetentionHarness, monkeypatch: Any, what: str
) -> None:
    episode = new_id()
    if what == "piece":
        await harness.piece("k")
    else:
        await harness.film(episode)
        await harness.delete_episode(episode)
    await harness.sweep(WEEK + OVER)
    there = await harness.files()

    async def away(*keys: str) -> None:
        raise Retryable("object_store_unavailable", "The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(harness.store, "delete", away)
        with pytest.raises(Retryable):
            await harness.sweep(GRACE + OVER)
    assert await harness.files() == there
    assert await harness.piece_store.find(["k"]) == {}, "a piece that may be half deleted is not used again"
    assert (await harness.sweep()).deleted == 1
    assert await harness.files() == set()


async def test_the_last_three_films_of_an_episode_are_kept_with_all_their_files(harness: RetentionHarness) -> None:
    episode, other = new_id(), new_id()
    films = [await harness.film(episode) for _ in range(5)]
    alone, running = await harness.film(other), await harness.begin(episode)
    assert (await harness.sweep()).marked == 2
    lines = await harness.explained()
    assert lines[films[0]] == ("wait", "3 newer films of its episode were completed", "project")
    assert lines[films[2]] == ("keep", "one of the last 3 films of its episode", "project")
    await harness.sweep(GRACE - OVER)
    assert set(films) <= await harness.owners(), "a viewer can watch it to its end"
    await harness.sweep(2 * OVER)
    assert await harness.owners() == {*films[2:], alone}
    assert len(await harness.files()) == 4 * 4, "the film, the same before signing, poster and captions"
    assert await harness.sweep(timedelta(days=400)) == Freed()
    rows = {r["compilation_id"] for r in await harness.pool.fetch("select compilation_id from compilations")}
    assert rows == {*films[2:], alone, running}


async def test_films_of_a_deleted_episode_are_deleted_after_the_grace_period(harness: RetentionHarness) -> None:
    episode = new_id()
    film = await harness.film(episode)
    await harness.delete_episode(episode)
    assert (await harness.explained())[film][:2] == ("mark", "its episode was deleted")
    await harness.sweep()
    await harness.sweep(GRACE - OVER)
    assert film in await harness.owners()
    await harness.sweep(2 * OVER)
    assert await harness.files() == set()


async def test_objects_without_a_row_are_deleted_after_two_days_except_those_of_a_film_in_progress(
    harness: RetentionHarness,
) -> None:
    working = await harness.begin(new_id())
    piece = await harness.piece("k")
    assert piece
    mine = await harness.put(f"films/{working}/{new_id()}.jpg")
    theirs = await harness.put("elsewhere/thing.bin")
    left = [
        await harness.put(key)
        for key in (
            f"films/{new_id()}/{new_id()}.mp4",
            f"pieces/clip/k/{new_id()}",
            f"pieces/clip/unknown/{new_id()}",
            "films/odd.mp4",
        )
    ]
    assert await harness.piece_store.claim("dead", PieceKind.CLIP)
    await harness.pool.execute("update pieces set lease_until = now() - interval '49 h' where key = 'dead'")
    assert await harness.piece_store.claim("alive", PieceKind.CLIP)
    assert await harness.sweep(GRACE - OVER) == Freed()
    assert (await harness.sweep(2 * OVER)).deleted == len(left)
    assert await harness.files() == {mine.key, theirs.key, piece.bytes.key}
    assert [r["key"] for r in await harness.pool.fetch("select key from pieces order by 1")] == ["alive", "k"]


async def test_the_dry_run_explains_every_record_as_json_and_changes_nothing(
    harness: RetentionHarness, capsys: Any, monkeypatch: Any
) -> None:
    episode = new_id()
    films = [await harness.film(episode) for _ in range(4)]
    await harness.piece("k")
    harness.clock.move((WEEK + OVER).total_seconds())

    @asynccontextmanager
    async def opened() -> AsyncIterator[RetentionService]:
        yield harness.retention

    loop = asyncio.get_running_loop()  # the command runs a loop of its own; the pool belongs to this one
    monkeypatch.setattr(asyncio, "run", lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(30))

    async def output(*arguments: str) -> list[dict[str, Any]]:
        assert await asyncio.to_thread(run_command, "compiler", ["gc", *arguments], opened, harness.clock) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    lines = {line["id"]: line for line in await output("--dry-run")}
    assert (lines["k"]["action"], lines["k"]["what"], lines["k"]["project_id"]) == ("mark", "clip piece", None)
    assert [lines[f]["action"] for f in films] == ["mark", "keep", "keep", "keep"]
    assert lines[films[0]]["bytes"] == 4 * len(b"some")
    assert {line["id"] for line in await output("--dry-run", "--project", "project")} == set(films)
    assert await output("--dry-run", "--project", "another") == []
    assert await harness.pool.fetchval("select count(*) from pieces where marked_at is not null") == 0
    (done,) = await output()
    assert (done["service"], done["marked"]) == ("compiler", 2)


@dataclass
class History:
    """Random lives of pieces and films, and the invariants that hold after every step."""

    harness: RetentionHarness
    dice: random.Random
    used: dict[str, tuple[Piece, datetime]] = field(default_factory=dict)
    films: dict[str, list[str]] = field(default_factory=dict)
    running: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)

    async def step(self) -> None:
        moves = [self.use, self.use, self.begin, self.finish, self.finish, self.leave, self.wait, self.wait]
        await (self.delete if self.dice.random() < 0.03 else self.dice.choice(moves))()

    async def use(self) -> str:
        key = f"piece-{self.dice.randrange(12)}"
        if piece := await self.harness.piece(key):
            self.used[key] = (piece, self.harness.clock.now())
        return key

    async def begin(self) -> None:
        episodes = sorted(self.films)
        if len(episodes) < 3:
            episodes.append(new_id())
            self.films[episodes[-1]] = []
        episode = self.dice.choice(episodes)
        film = await self.harness.begin(episode)
        await self.harness.put(f"films/{film}/{new_id()}.jpg")
        self.running[film] = (episode, [await self.use() for _ in range(3)])

    async def finish(self) -> None:
        if self.running:
            film = self.dice.choice(sorted(self.running))
            episode, _ = self.running.pop(film)
            await self.harness.complete(film)
            self.films[episode].append(film)

    async def leave(self) -> None:
        folder = self.dice.choice([f"films/{new_id()}", f"pieces/clip/piece-{self.dice.randrange(12)}"])
        await self.harness.put(f"{folder}/{new_id()}")

    async def delete(self) -> None:
        idle = sorted(set(self.films) - {episode for episode, _ in self.running.values()})
        if idle:
            episode = self.dice.choice(idle)
            await self.harness.delete_episode(episode)
            del self.films[episode]

    async def wait(self) -> None:
        hours = self.dice.choice([1, 6, 20, 49, 24 * 8])
        while self.running and hours > 20:  # no film is in progress for longer than a day
            await self.finish()
        await self.harness.sweep(timedelta(hours=hours))
        if hours == 20:
            while self.running:
                await self.finish()
        await self.check()

    async def check(self) -> None:
        files, owners, now = await self.harness.files(), await self.harness.owners(), self.harness.clock.now()
        for key, (piece, at) in self.used.items():
            if at > now - WEEK:
                assert piece.bytes.key in files, f"{key} was used {now - at} ago"
        for _, pieces in self.running.values():
            assert all(self.used[key][0].bytes.key in files for key in pieces)
        assert all(set(films[-3:]) <= owners for films in self.films.values())
        for row in await self.harness.pool.fetch(
            "select result, marked_at from compilations where state = 'completed'"
        ):
            result = row["result"]
            keys = {result["object"]["key"], result["poster"]["key"], result["files"]["captions.vtt"]["key"]}
            assert keys <= files, "as long as a row exists, its bytes exist"

    async def end(self) -> None:
        while self.running:
            await self.finish()
        await self.harness.sweep(WEEK + OVER)
        await self.harness.sweep(GRACE + OVER)
        await self.check()
        left = {film for films in self.films.values() for film in films[-3:]}
        assert await self.harness.owners() == left
        rows = await self.harness.pool.fetch("select compilation_id from compilations")
        assert {r["compilation_id"] for r in rows} == left
        assert await self.harness.pool.fetchval("select count(*) from pieces") == 0


@pytest.mark.parametrize("seed", [1, 4])
async def test_after_any_history_what_is_used_is_kept_and_the_rest_is_deleted(
    harness: RetentionHarness, seed: int
) -> None:
    history = History(harness, random.Random(seed))
    for _ in range(150):
        await history.step()
    assert any(len(films) > 3 for films in history.films.values()), "the history deleted films"
    await history.end()
