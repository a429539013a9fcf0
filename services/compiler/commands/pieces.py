"""Pieces, found or made: one maker per piece at a time, whoever needs it waits for that one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog

from services.compiler.commands.ports import PieceBook, Workshop
from services.compiler.planning.pieces import Piece, Recipe
from services.compiler.planning.render_speed import Meter, Pace, units
from shared.core.clock import Clock
from shared.core.errors import Permanent, RetakeError, Retryable, disk_full_is_retryable

log = structlog.get_logger(__name__)

T = TypeVar("T")

HEARTBEAT_S: Final = 3.0
LOOK_AGAIN_S: Final = 0.2  # how often a waiting job looks whether the other has finished


@dataclass
class Tally:
    """What a job found and what it had to have made."""

    reused: int = 0
    rendered: int = 0


@dataclass
class Obtainer:
    """Obtains the pieces of one job, `at_once` of them in parallel, whoever asks for them.

    `before_each` may raise to stop between two pieces. A failure names the piece that failed.
    """

    book: PieceBook
    workshop: Workshop
    clock: Clock
    pace: Pace
    meter: Meter
    at_once: int = 2
    polite: bool = False
    before_each: Callable[[], Awaitable[None]] | None = None
    tally: Tally = field(default_factory=Tally)
    _found: dict[str, Piece] = field(default_factory=dict)
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.at_once)

    async def find(self, keys: Sequence[str]) -> dict[str, Piece]:
        """Once found a piece is there for the whole job: its use was told."""
        wanted = dict.fromkeys(keys)
        if unknown := [key for key in wanted if key not in self._found]:
            self._found |= await self.book.find(unknown)
        return {key: self._found[key] for key in wanted if key in self._found}

    async def obtain(self, recipes: Sequence[Recipe]) -> dict[str, Piece]:
        """Every piece by key. The first failure stops the others and is raised."""
        wanted = {r.key: r for r in recipes}
        pieces = await self.find(list(wanted))
        self.tally.reused += len(pieces)
        missing = [r for key, r in wanted.items() if key not in pieces]
        self.tally.rendered += len(missing)

        async def one(recipe: Recipe) -> None:
            async with self._free:
                pieces[recipe.key] = await self._one(recipe)

        with first_failure():
            async with asyncio.TaskGroup() as group:
                for recipe in missing:
                    group.create_task(one(recipe))
        return pieces

    async def timed(self, kind: str, count: float, work: Awaitable[T]) -> T:
        """Work that leaves no piece. What it took teaches the next estimate."""
        expected = self.pace.seconds(kind, count)
        began = self.clock.monotonic()
        done = await work
        self.meter.advance(kind, expected, 1)
        await self.book.learn(kind, self.pace.learn(kind, count, self.clock.monotonic() - began))
        return done

    async def _one(self, recipe: Recipe) -> Piece:
        while True:
            if self.before_each:
                await self.before_each()
            if token := await self._take(recipe):
                try:
                    with disk_full_is_retryable():
                        return await self._make(recipe, token)
                except RetakeError as error:
                    raise _named(error, recipe.name) from error
            if found := await self.book.find([recipe.key]):
                self.meter.advance(recipe.key, self.pace.of([recipe]), 1)
                return found[recipe.key]
            await self.clock.sleep(LOOK_AGAIN_S)

    async def _take(self, recipe: Recipe) -> str | None:
        """A claim that was made while we were being cancelled is given back, not left to its lease."""
        taking = asyncio.ensure_future(self.book.take(recipe.key, recipe.kind))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            if token := await taking:
                await self.book.release(recipe.key, token)
            raise

    async def _make(self, recipe: Recipe, token: str) -> Piece:
        expected = self.pace.of([recipe])
        began = self.clock.monotonic()
        try:
            async with self._kept(recipe.key, token):
                piece = await self.workshop.make(
                    recipe,
                    polite=self.polite,
                    on_progress=lambda share: self.meter.advance(recipe.key, expected, min(share, 0.99)),
                )
        except BaseException:
            await asyncio.shield(self.book.release(recipe.key, token))
            raise
        if not await _whole(self.book.finish(piece, token)):
            log.info("piece.made_twice", key=recipe.key, kind=recipe.kind)
        took = self.clock.monotonic() - began
        self.meter.advance(recipe.key, expected, 1)
        if not piece.facts.get("copied"):
            await self.book.learn(recipe.kind, self.pace.learn(recipe.kind, units(recipe), took))
        log.info("piece.made", kind=recipe.kind, key=recipe.key[:12], name=recipe.name, seconds=round(took, 2))
        return piece

    @asynccontextmanager
    async def _kept(self, key: str, token: str) -> AsyncIterator[None]:
        """Extends the lease while the block runs. A lost lease is no reason to stop: two may make the same piece."""

        async def beat() -> None:
            while True:
                await self.clock.sleep(HEARTBEAT_S)
                try:
                    await self.book.keep(key, token)
                except RetakeError as error:
                    log.warning("piece.heartbeat_failed", key=key, error=str(error))

        beating = asyncio.create_task(beat(), name=f"piece-{key[:8]}")
        try:
            yield
        finally:
            beating.cancel()


@contextmanager
def first_failure() -> Iterator[None]:
    """Around a task group: what stopped it is raised as it is."""
    try:
        yield
    except* RetakeError as failures:
        raise failures.exceptions[0] from None


async def _whole(work: Coroutine[Any, Any, T]) -> T:
    """Its result. Cancelled, it is done all the same before that is told: half of it would leave a claim behind."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # seen; the cancellation counts for more
        raise


def _named(error: RetakeError, name: str) -> RetakeError:
    """The same error, telling which piece of the film it is about."""
    cause = f"{name[0].upper()}{name[1:]}: {error.cause}"
    if isinstance(error, Retryable):
        return Retryable(error.code, cause, error.recovery, delay_s=error.delay_s)
    return Permanent(error.code, cause, error.recovery or "Regenerate it, then compile again.")
