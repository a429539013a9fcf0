"""Finds or makes pieces: one worker makes a piece at a time, and every other job that needs it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import structlog

from services.compiler import metrics
from services.compiler.commands.ports import PieceStore, Renderer
from services.compiler.planning.pieces import Piece, Recipe
from services.compiler.planning.render_speed import ProgressMeter, RenderSpeed, units
from shared.core.clock import Clock
from shared.core.errors import Permanent, RetakeError, Retryable, disk_full_is_retryable
from shared.jobs.recurring import recurring

log = structlog.get_logger(__name__)

T = TypeVar("T")

HEARTBEAT_S: Final = 3.0
POLL_S: Final = 0.2  # how often a waiting job checks whether the other worker has finished


@dataclass
class Tally:
    """How many pieces a job found, and how many it had to render."""

    reused: int = 0
    rendered: int = 0


@dataclass
class PieceBuilder:
    """Builds the pieces of one job, at most `at_once` in parallel over all calls.

    `before_each` may raise to stop between two pieces. An error names the piece that failed.
    """

    piece_store: PieceStore
    renderer: Renderer
    clock: Clock
    speed: RenderSpeed
    meter: ProgressMeter
    at_once: int = 2
    low_priority: bool = False
    before_each: Callable[[], Awaitable[None]] | None = None
    tally: Tally = field(default_factory=Tally)
    _found: dict[str, Piece] = field(default_factory=dict)
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.at_once)

    async def find(self, keys: Sequence[str]) -> dict[str, Piece]:
        """The finished pieces among `keys`. A piece once found stays for the whole job: its use is recorded."""
        wanted = dict.fromkeys(keys)
        if unknown := [key for key in wanted if key not in self._found]:
            self._found |= await self.piece_store.find(unknown)
        return {key: self._found[key] for key in wanted if key in self._found}

    async def build(self, recipes: Sequence[Recipe]) -> dict[str, Piece]:
        """Every piece, by key. The first failure stops the others and is raised."""
        wanted = {r.key: r for r in recipes}
        pieces = await self.find(list(wanted))
        self.tally.reused += len(pieces)
        metrics.PIECES.labels("reused").inc(len(pieces))
        missing = [r for key, r in wanted.items() if key not in pieces]
        self.tally.rendered += len(missing)
        metrics.PIECES.labels("rendered").inc(len(missing))

        async def one(recipe: Recipe) -> None:
            async with self._free:
                pieces[recipe.key] = await self._one(recipe)

        with first_failure():
            async with asyncio.TaskGroup() as group:
                for recipe in missing:
                    group.create_task(one(recipe))
        return pieces

    async def timed(self, kind: str, count: float, work: Awaitable[T]) -> T:
        """Awaits work that leaves no piece, and learns its speed for the next estimate."""
        expected = self.speed.seconds(kind, count)
        began = self.clock.monotonic()
        result = await work
        self.meter.advance(kind, expected, 1)
        await self.piece_store.learn(kind, self.speed.learn(kind, count, self.clock.monotonic() - began))
        return result

    async def _one(self, recipe: Recipe) -> Piece:
        while True:
            if self.before_each:
                await self.before_each()
            if token := await self._claim(recipe):
                try:
                    with disk_full_is_retryable():
                        return await self._make(recipe, token)
                except RetakeError as error:
                    raise _named(error, recipe.name) from error
            if found := await self.piece_store.find([recipe.key]):
                self.meter.advance(recipe.key, self.speed.of([recipe]), 1)
                return found[recipe.key]
            await self.clock.sleep(POLL_S)

    async def _claim(self, recipe: Recipe) -> str | None:
        """A claim that succeeds while this task is being cancelled is released rather than left to expire."""
        claiming = asyncio.ensure_future(self.piece_store.claim(recipe.key, recipe.kind))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            if token := await claiming:
                await self.piece_store.release(recipe.key, token)
            raise

    async def _make(self, recipe: Recipe, token: str) -> Piece:
        expected = self.speed.of([recipe])
        began = self.clock.monotonic()
        try:
            async with self._renewing(recipe.key, token):
                piece = await self.renderer.make(
                    recipe,
                    low_priority=self.low_priority,
                    on_progress=lambda share: self.meter.advance(recipe.key, expected, min(share, 0.99)),
                )
        except BaseException:
            await asyncio.shield(self.piece_store.release(recipe.key, token))
            raise
        if not await _uninterrupted(self.piece_store.finish(piece, token)):
            log.info("piece.made_twice", key=recipe.key, kind=recipe.kind)
        took = self.clock.monotonic() - began
        self.meter.advance(recipe.key, expected, 1)
        metrics.PIECE_SECONDS.labels(recipe.kind).observe(took)
        if not piece.facts.get("copied"):
            await self.piece_store.learn(recipe.kind, self.speed.learn(recipe.kind, units(recipe), took))
        log.info("piece.made", kind=recipe.kind, key=recipe.key[:12], name=recipe.name, seconds=round(took, 2))
        return piece

    def _renewing(self, key: str, token: str) -> AbstractAsyncContextManager[None]:
        """Renews the lease while the block runs. Losing it does not stop the work: two workers may make one piece."""
        return recurring(
            lambda: self.piece_store.renew(key, token), name=f"piece-{key[:8]}", every_s=HEARTBEAT_S, clock=self.clock
        )


@contextmanager
def first_failure() -> Iterator[None]:
    """Around a task group: re-raises the first RetakeError of its exception group."""
    try:
        yield
    except* RetakeError as failures:
        raise failures.exceptions[0] from None


async def _uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which finishes even when the caller is cancelled: half of it would leave a claim behind."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # retrieved, so that it is not logged; the cancellation takes precedence
        raise


def _named(error: RetakeError, name: str) -> RetakeError:
    """The same error, with the name of the piece in its cause."""
    cause = f"{name[0].upper()}{name[1:]}: {error.cause}"
    if isinstance(error, Retryable):
        return Retryable(error.code, cause, error.recovery, delay_s=error.delay_s)
    return Permanent(error.code, cause, error.recovery or "Regenerate it, then compile again.")
