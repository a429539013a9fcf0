"""Retention: what a film needs and the last films never go, everything else goes in the end, and `gc` says why."""

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


class Aging:
    """A store whose objects were written when a test's clock says: from before their bytes are there."""

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
class Kept:
    """A compiler's rows and objects, and a clock that a test moves. Objects age with it."""

    pool: Pool
    store: ObjectStore
    aging: Aging
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
        """Found, or made; None while another makes it."""
        if found := await self.piece_store.find([key]):
            return found[key]
        token = await self.piece_store.claim(key, kind)
        if token is None:
            return None
        ref = None if kind is PieceKind.TRACK else await self.put(f"pieces/{kind}/{key}/{new_id()}")
        made = Piece(key, kind, ref, {})
        assert await self.piece_store.finish(made, token)
        return made

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
        """A completed one, signed: with its poster and captions, and the unsigned object left behind."""
        made = await self.begin(episode_id)
        await self.put(f"films/{made}/{new_id()}.mp4")
        await self.complete(made)
        return made

    async def complete(self, film: str) -> None:
        signed, poster, captions = [
            await self.put(f"films/{film}/{new_id()}{name}") for name in (".mp4", ".jpg", "/captions.vtt")
        ]
        stored = {
            "object": signed.model_dump(mode="json"), "poster": poster.model_dump(mode="json"),
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
async def kept(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Kept]:
    clock = FakeClock(datetime.now(UTC))
    async with (
        open_pool(await fresh_database("compiler")) as pool,
        open_objects(f"file://{tmp_path}", Service.COMPILER) as objects,
    ):
        aging = Aging(objects.own, clock)
        retention = retention_service(pool, cast(ObjectStore, aging))
        yield Kept(pool, objects.own, aging, clock, PostgresPieceStore(pool, new_id, clock), retention)


async def test_a_piece_goes_when_nothing_has_used_it_for_a_week_and_two_days(kept: Kept) -> None:
    made = await kept.piece("k")
    track = await kept.piece("t", PieceKind.TRACK)
    assert made and track
    assert await kept.sweep(WEEK - OVER) == Freed()
    assert (await kept.explained())["k"][:2] == ("keep", "used by a film or rendered ahead")
    assert (await kept.sweep(2 * OVER)).marked == 2
    assert (await kept.explained())["k"][:2] == ("wait", "unused for 7 days")
    assert await kept.sweep(GRACE - OVER) == Freed()
    assert made.bytes.key in await kept.files()
    done = await kept.sweep(2 * OVER)
    assert (done.deleted, done.size) == (2, made.bytes.size)
    assert await kept.files() == set()
    assert await kept.pool.fetchval("select count(*) from pieces") == 0


async def test_whoever_finds_a_piece_keeps_it_for_another_week_even_if_it_is_marked(kept: Kept) -> None:
    made = await kept.piece("k")
    await kept.sweep(WEEK - OVER)
    assert await kept.piece_store.find(["k"]) == {"k": made}
    assert await kept.sweep(WEEK - OVER) == Freed()
    assert (await kept.sweep(2 * OVER)).marked == 1
    kept.clock.move((GRACE + OVER).total_seconds())
    assert await kept.piece_store.find(["k"]) == {"k": made}, "its bytes are there as long as no sweep has given it up"
    assert await kept.sweep() == Freed()
    assert (await kept.explained())["k"][0] == "keep"


async def test_a_piece_that_is_wanted_while_its_bytes_go_is_made_anew(kept: Kept, monkeypatch: Any) -> None:
    old = await kept.piece("k")
    await kept.sweep(WEEK + OVER)
    real = kept.store.delete
    anew: list[Piece | None] = []

    async def slow(*keys: str) -> None:
        if keys and not anew:
            assert await kept.piece_store.find(["k"]) == {}
            anew.append(await kept.piece("k"))
        await real(*keys)

    monkeypatch.setattr(kept.store, "delete", slow)
    await kept.sweep(GRACE + OVER)
    assert old and anew[0] and anew[0] != old
    assert await kept.piece_store.find(["k"]) == {"k": anew[0]}
    assert await kept.files() == {anew[0].bytes.key}


async def test_of_a_mark_a_deletion_and_a_use_at_the_same_moment_no_user_is_left_without_bytes(kept: Kept) -> None:
    outcomes: Counter[str] = Counter()
    dice = random.Random(5)
    for number in range(30):
        key = f"k{number}"
        before = await kept.piece(key)
        await kept.sweep(WEEK + OVER)
        kept.clock.move((GRACE + OVER).total_seconds())

        async def use(key: str = key) -> Piece | None:
            await asyncio.sleep(dice.random() * 0.004)
            return await kept.piece(key)

        used, _ = await asyncio.gather(use(), kept.sweep())
        assert used and used.bytes.key in await kept.files()
        outcomes["kept" if used == before else "anew"] += 1
    assert sum(outcomes.values()) == 30


@pytest.mark.parametrize("what", ["piece", "film"])
async def test_a_store_that_is_away_delays_and_loses_nothing(kept: Kept, monkeypatch: Any, what: str) -> None:
    episode = new_id()
    if what == "piece":
        await kept.piece("k")
    else:
        await kept.film(episode)
        await kept.delete_episode(episode)
    await kept.sweep(WEEK + OVER)
    there = await kept.files()

    async def away(*keys: str) -> None:
        raise Retryable("object_store_unavailable", "The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(kept.store, "delete", away)
        with pytest.raises(Retryable):
            await kept.sweep(GRACE + OVER)
    assert await kept.files() == there
    assert await kept.piece_store.find(["k"]) == {}, "what may be half deleted is not used again"
    assert (await kept.sweep()).deleted == 1
    assert await kept.files() == set()


async def test_the_last_three_films_of_an_episode_stay_with_all_their_files(kept: Kept) -> None:
    episode, other = new_id(), new_id()
    films = [await kept.film(episode) for _ in range(5)]
    alone, running = await kept.film(other), await kept.begin(episode)
    assert (await kept.sweep()).marked == 2
    lines = await kept.explained()
    assert lines[films[0]] == ("wait", "3 newer films of its episode were completed", "project")
    assert lines[films[2]] == ("keep", "one of the last 3 films of its episode", "project")
    await kept.sweep(GRACE - OVER)
    assert set(films) <= await kept.owners(), "who plays one plays it to its end"
    await kept.sweep(2 * OVER)
    assert await kept.owners() == {*films[2:], alone}
    assert len(await kept.files()) == 4 * 3, "film, poster, captions; what was there before it was signed is gone"
    assert await kept.sweep(timedelta(days=400)) == Freed()
    rows = {r["compilation_id"] for r in await kept.pool.fetch("select compilation_id from compilations")}
    assert rows == {*films[2:], alone, running}


async def test_films_of_a_deleted_episode_go_after_the_grace_time(kept: Kept) -> None:
    episode = new_id()
    film = await kept.film(episode)
    await kept.delete_episode(episode)
    assert (await kept.explained())[film][:2] == ("mark", "its episode was deleted")
    await kept.sweep()
    await kept.sweep(GRACE - OVER)
    assert film in await kept.owners()
    await kept.sweep(2 * OVER)
    assert await kept.files() == set()


async def test_objects_without_a_row_go_after_two_days_but_none_of_a_film_in_progress(kept: Kept) -> None:
    working = await kept.begin(new_id())
    made = await kept.piece("k")
    assert made
    mine = await kept.put(f"films/{working}/{new_id()}.jpg")
    theirs = await kept.put("elsewhere/thing.bin")
    left = [
        await kept.put(key)
        for key in (
            f"films/{new_id()}/{new_id()}.mp4",
            f"pieces/clip/k/{new_id()}",
            f"pieces/clip/unknown/{new_id()}",
            "films/odd.mp4",
        )
    ]
    assert await kept.piece_store.claim("dead", PieceKind.CLIP)
    await kept.pool.execute("update pieces set lease_until = now() - interval '49 h' where key = 'dead'")
    assert await kept.piece_store.claim("alive", PieceKind.CLIP)
    assert await kept.sweep(GRACE - OVER) == Freed()
    assert (await kept.sweep(2 * OVER)).deleted == len(left)
    assert await kept.files() == {mine.key, theirs.key, made.bytes.key}
    assert [r["key"] for r in await kept.pool.fetch("select key from pieces order by 1")] == ["alive", "k"]


async def test_the_command_explains_itself_as_lines_of_json_and_changes_nothing(
    kept: Kept, capsys: Any, monkeypatch: Any
) -> None:
    episode = new_id()
    films = [await kept.film(episode) for _ in range(4)]
    await kept.piece("k")
    kept.clock.move((WEEK + OVER).total_seconds())

    @asynccontextmanager
    async def opened() -> AsyncIterator[RetentionService]:
        yield kept.retention

    loop = asyncio.get_running_loop()  # the command runs a loop; the pool belongs to ours
    monkeypatch.setattr(asyncio, "run", lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(30))

    async def said(*arguments: str) -> list[dict[str, Any]]:
        assert await asyncio.to_thread(run_command, "compiler", ["gc", *arguments], opened, kept.clock) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    lines = {line["id"]: line for line in await said("--dry-run")}
    assert (lines["k"]["action"], lines["k"]["what"], lines["k"]["project_id"]) == ("mark", "clip piece", None)
    assert [lines[f]["action"] for f in films] == ["mark", "keep", "keep", "keep"]
    assert lines[films[0]]["bytes"] == 3 * len(b"some")
    assert {line["id"] for line in await said("--dry-run", "--project", "project")} == set(films)
    assert await said("--dry-run", "--project", "another") == []
    assert await kept.pool.fetchval("select count(*) from pieces where marked_at is not null") == 0
    (done,) = await said()
    assert (done["service"], done["marked"]) == ("compiler", 2)


@dataclass
class History:
    """Random lives of pieces and films, and what must be there whatever happened."""

    kept: Kept
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
        if piece := await self.kept.piece(key):
            self.used[key] = (piece, self.kept.clock.now())
        return key

    async def begin(self) -> None:
        episodes = sorted(self.films)
        if len(episodes) < 3:
            episodes.append(new_id())
            self.films[episodes[-1]] = []
        episode = self.dice.choice(episodes)
        film = await self.kept.begin(episode)
        await self.kept.put(f"films/{film}/{new_id()}.jpg")
        self.running[film] = (episode, [await self.use() for _ in range(3)])

    async def finish(self) -> None:
        if self.running:
            film = self.dice.choice(sorted(self.running))
            episode, _ = self.running.pop(film)
            await self.kept.complete(film)
            self.films[episode].append(film)

    async def leave(self) -> None:
        folder = self.dice.choice([f"films/{new_id()}", f"pieces/clip/piece-{self.dice.randrange(12)}"])
        await self.kept.put(f"{folder}/{new_id()}")

    async def delete(self) -> None:
        idle = sorted(set(self.films) - {episode for episode, _ in self.running.values()})
        if idle:
            episode = self.dice.choice(idle)
            await self.kept.delete_episode(episode)
            del self.films[episode]

    async def wait(self) -> None:
        hours = self.dice.choice([1, 6, 20, 49, 24 * 8])
        while self.running and hours > 20:  # no film is in progress for longer than a day
            await self.finish()
        await self.kept.sweep(timedelta(hours=hours))
        if hours == 20:
            while self.running:
                await self.finish()
        await self.check()

    async def check(self) -> None:
        files, owners, now = await self.kept.files(), await self.kept.owners(), self.kept.clock.now()
        for key, (piece, at) in self.used.items():
            if at > now - WEEK:
                assert piece.bytes.key in files, f"{key} was used {now - at} ago"
        for _, pieces in self.running.values():
            assert all(self.used[key][0].bytes.key in files for key in pieces)
        assert all(set(films[-3:]) <= owners for films in self.films.values())
        for row in await self.kept.pool.fetch("select result, marked_at from compilations where state = 'completed'"):
            result = row["result"]
            keys = {result["object"]["key"], result["poster"]["key"], result["files"]["captions.vtt"]["key"]}
            assert keys <= files, "no dangling reference: as long as there is a row, there are its bytes"

    async def end(self) -> None:
        while self.running:
            await self.finish()
        await self.kept.sweep(WEEK + OVER)
        await self.kept.sweep(GRACE + OVER)
        await self.check()
        left = {film for films in self.films.values() for film in films[-3:]}
        assert await self.kept.owners() == left
        rows = await self.kept.pool.fetch("select compilation_id from compilations")
        assert {r["compilation_id"] for r in rows} == left
        assert await self.kept.pool.fetchval("select count(*) from pieces") == 0


@pytest.mark.parametrize("seed", [1, 4])
async def test_no_history_loses_what_is_used_and_everything_else_goes(kept: Kept, seed: int) -> None:
    history = History(kept, random.Random(seed))
    for _ in range(150):
        await history.step()
    assert any(len(films) > 3 for films in history.films.values()), "a history in which something happened"
    await history.end()
