"""An episode kept up to date by its event stream, for work that waits for people and machines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from client.api import AsyncRetake
from client.episode_progress import AssetProgress, AssetState, EpisodeProgress, WorkProgress
from client.models import Batch, Compilation, Episode, Run
from client.models import events as e

POLL_S = 10.0  # fetch this often even without an event, so that a watcher never hangs
DEBOUNCE_S = 0.15
UNREACHABLE_S = 120.0  # how long the gateway may be unreachable before the stream gives up


class EpisodeWatcher:
    """Follows one episode. `progress` is its present state; `on_change` is called whenever that has changed.

    Use it as an async context manager. Every wait raises the error that ended the stream.
    """

    def __init__(
        self,
        client: AsyncRetake,
        project_id: str,
        episode: Episode,
        *,
        on_change: Callable[[EpisodeProgress, e.Event | None], None] = lambda _progress, _event: None,
        on_connection: Callable[[bool], None] | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        self._client = client
        self._project_id = project_id
        self._cursor = episode.cursor
        self._on_change = on_change
        self._on_connection = on_connection
        self._poll_s = poll_s
        self._change = asyncio.Event()
        self._stream: asyncio.Task[None] | None = None
        self._refresher: asyncio.Task[None] | None = None
        self._fetched: dict[str, tuple[WorkProgress | None, float]] = {}
        self._batches: dict[str, Batch] = {}
        self.progress = EpisodeProgress(episode)

    async def __aenter__(self) -> Self:
        self._stream = asyncio.create_task(self._follow(), name="follow the episode")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in (self._refresher, self._stream):
            if task:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def next_change(self) -> None:
        """Return after the next change, or when it is time to poll. Raises the error that ended the stream."""
        assert self._stream is not None
        waiting = asyncio.create_task(self._change.wait())
        try:
            await asyncio.wait({waiting, self._stream}, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        self._change.clear()
        if self._stream.done():
            self._stream.result()

    async def refresh(self) -> None:
        """Fetch the episode now."""
        self.progress.refresh(await self._client.episodes.get(self.progress.episode_id))
        self._notify(None)

    def waiting(self) -> list[AssetProgress]:
        """The assets whose preview is waiting for a decision, in film order."""
        return [asset for _, asset in self.progress.assets if asset.state is AssetState.REVIEW and asset.run_id]

    async def batch(self, batch_id: str) -> Batch:
        """The batch, fetched again only after an event about it, or when it is time to poll."""
        batch = self._batches.get(batch_id)
        if self._must_fetch(batch_id, self.progress.batches.get(batch_id)) or batch is None:
            batch = self._batches[batch_id] = await self._client.batches.get(batch_id)
        return batch

    async def run(self, run_id: str) -> Run:
        """Wait until the run has ended or waits for a decision."""
        run = await self._client.runs.get(run_id)
        before = self._asset_of(run_id)
        while not run.status.at_rest:
            await self.next_change()
            now = self._asset_of(run_id)
            if now is None or before is None or now.state != before.state or self._must_fetch(run_id, None):
                run = await self._client.runs.get(run_id)
            before = now
        return run

    @property
    def busy(self) -> bool:
        """Whether anything is being generated or compiled, or about to be."""
        active = (AssetState.QUEUED, AssetState.WORKING, AssetState.COMMITTING)
        working = any(asset.state in active for _, asset in self.progress.assets)
        films = any(film.status in ("pending", "processing") for film in self.progress.films.values())
        return working or films or any(batch.status == "running" for batch in self.progress.batches.values())

    async def compilation(self, compilation_id: str) -> Compilation:
        """Wait until the compilation has ended."""
        compilation: Compilation | None = None
        while compilation is None or not compilation.status.terminal:
            if compilation is not None:
                await self.next_change()
            if self._must_fetch(compilation_id, self.progress.films.get(compilation_id)) or compilation is None:
                compilation = await self._client.films.get(compilation_id)
        return compilation

    def _asset_of(self, run_id: str) -> AssetProgress | None:
        return next((asset for _, asset in self.progress.assets if asset.run_id == run_id), None)

    def _must_fetch(self, work_id: str, latest: WorkProgress | None) -> bool:
        """Whether there is news since the last fetch, or it is time to poll. If so, the fetch is noted as done."""
        now = asyncio.get_running_loop().time()
        fetched = self._fetched.get(work_id)
        if fetched is not None and fetched[0] is latest and now - fetched[1] < self._poll_s:
            return False
        self._fetched[work_id] = (latest, now)
        return True

    async def _follow(self) -> None:
        stream = self._client.events(
            self._project_id, self._cursor, unreachable_s=UNREACHABLE_S, on_connection=self._on_connection
        )
        async with stream:
            async for event in stream:
                changed = self.progress.apply(event)
                if self.progress.outdated and (self._refresher is None or self._refresher.done()):
                    self._refresher = asyncio.create_task(self._refresh_soon(), name="refresh the episode")
                if changed:
                    self._notify(event)

    async def _refresh_soon(self) -> None:
        """Fetch once for several changes."""
        while self.progress.outdated:
            await asyncio.sleep(DEBOUNCE_S)
            self.progress.outdated = False
            await self.refresh()

    def _notify(self, event: e.Event | None) -> None:
        self._change.set()
        self._on_change(self.progress, event)
