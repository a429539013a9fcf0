"""An episode kept up to date by its stream, for work that waits for people and machines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from client.api import AsyncRetake
from client.board import Board, Cell, Look, Work
from client.models import Batch, Compilation, Episode, Run
from client.models import events as e

LOOK_ANYWAY_S = 10.0  # ask the gateway this often although no event says so: a watcher must never hang
DEBOUNCE_S = 0.15
PATIENCE_S = 120.0  # how long a gateway may be away before the command gives up


class Live:
    """Follows one episode. `board` is its present state; `on_change` is called whenever that changed.

    Used as an async context manager; every wait raises what ended the stream.
    """

    def __init__(
        self,
        client: AsyncRetake,
        project_id: str,
        episode: Episode,
        *,
        on_change: Callable[[Board, e.Event | None], None] = lambda _board, _event: None,
        on_connection: Callable[[bool], None] | None = None,
        look_anyway_s: float = LOOK_ANYWAY_S,
    ) -> None:
        self._client = client
        self._project_id = project_id
        self._cursor = episode.cursor
        self._on_change = on_change
        self._on_connection = on_connection
        self._look_anyway_s = look_anyway_s
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._refresher: asyncio.Task[None] | None = None
        self._asked: dict[str, tuple[Work | None, float]] = {}
        self._batches: dict[str, Batch] = {}
        self.board = Board(episode)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="follow the episode")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in (self._refresher, self._task):
            if task:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def next_change(self) -> None:
        """Return when something changed, at the latest when it is time to look anyway. Raises what ended the stream."""
        assert self._task is not None
        waiting = asyncio.create_task(self._moved.wait())
        try:
            await asyncio.wait({waiting, self._task}, timeout=self._look_anyway_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._moved.clear()
        if self._task.done():
            self._task.result()

    async def refresh(self) -> None:
        self.board.refresh(await self._client.episodes.get(self.board.episode_id))
        self._changed(None)

    def waiting(self) -> list[Cell]:
        """What waits for a person, in film order."""
        return [c for _, c in self.board.cells if c.look is Look.REVIEW and c.run_id]

    async def batch(self, batch_id: str) -> Batch:
        """The batch, asked for again only when an event told of it, and now and then anyway."""
        known = self._batches.get(batch_id)
        if self._due(batch_id, self.board.batches.get(batch_id)) or known is None:
            known = self._batches[batch_id] = await self._client.batches.get(batch_id)
        return known

    async def run(self, run_id: str) -> Run:
        """Wait until nothing more happens to the run by itself."""
        known: Run | None = None
        told: Cell | None = None
        while known is None or not known.status.at_rest:
            if known is not None:
                await self.next_change()
            now = next((c for _, c in self.board.cells if c.run_id == run_id), None)
            if known is None or now is None or told is None or now.look != told.look or self._due(run_id, None):
                known = await self._client.runs.get(run_id)
            told = now
        return known

    @property
    def busy(self) -> bool:
        """Whether something is being made, or about to be."""
        working = any(c.look in (Look.QUEUED, Look.WORKING, Look.COMMITTING) for _, c in self.board.cells)
        films = any(f.status in ("pending", "processing") for f in self.board.films.values())
        return working or films or any(b.status == "running" for b in self.board.batches.values())

    async def compilation(self, compilation_id: str) -> Compilation:
        """Wait until the compilation has ended."""
        known: Compilation | None = None
        while known is None or not known.status.terminal:
            if known is not None:
                await self.next_change()
            if self._due(compilation_id, self.board.films.get(compilation_id)) or known is None:
                known = await self._client.compilations.get(compilation_id)
        return known

    def _due(self, work_id: str, told: Work | None) -> bool:
        """Whether it is time to ask: something new was told, or nothing for a while. Notes that it is asked now."""
        now = asyncio.get_running_loop().time()
        earlier = self._asked.get(work_id)
        if earlier is not None and earlier[0] is told and now - earlier[1] < self._look_anyway_s:
            return False
        self._asked[work_id] = (told, now)
        return True

    async def _follow(self) -> None:
        stream = self._client.events(
            self._project_id, self._cursor, patience_s=PATIENCE_S, on_connection=self._on_connection
        )
        async with stream:
            async for event in stream:
                changed = self.board.apply(event)
                if self.board.outdated and (self._refresher is None or self._refresher.done()):
                    self._refresher = asyncio.create_task(self._refresh_soon(), name="refresh the episode")
                if changed:
                    self._changed(event)

    async def _refresh_soon(self) -> None:
        """Several changes at once cost one GET."""
        while self.board.outdated:
            await asyncio.sleep(DEBOUNCE_S)
            self.board.outdated = False
            self.board.refresh(await self._client.episodes.get(self.board.episode_id))
            self._changed(None)

    def _changed(self, event: e.Event | None) -> None:
        self._moved.set()
        self._on_change(self.board, event)
