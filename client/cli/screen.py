"""The moving part of the screen: an episode's board, transfers; plain lines where nothing may move."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich import progress
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from client.board import Board, Look
from client.cli.board_view import board_table
from client.cli.session import Session
from client.models.events import Event, FilmUpdated, Progress
from client.transfers import OnProgress

SELDOM_S = 10.0  # between two lines of progress where nothing may move


class Screen:
    """Shows a board while work goes on. `paused` makes room for a question."""

    def __init__(self, session: Session, *, keep: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._board: Board | None = None
        self._lost = False
        self._told: dict[str | None, tuple[str, float]] = {}
        self._keep = keep
        self._clock = clock
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop(transient=not self._keep)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing moves meanwhile; the board goes on changing unseen."""
        self._stop(transient=True)
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        """A new one each time: it would draw over what was printed since, where its predecessor stood."""
        if self._session.live:
            self._live = Live(console=self._session.console, get_renderable=self._render, refresh_per_second=8)
            self._live.start()

    def _stop(self, *, transient: bool) -> None:
        if self._live:
            self._live.transient = transient
            self._live.stop()
            self._live = None

    def update(self, board: Board, event: Event | None) -> None:
        self._board = board
        if event is not None and not self._session.live and event.message:
            self._tell(event)

    def connection(self, connected: bool) -> None:
        if connected is self._lost:
            self._lost = not connected
            if not self._session.live:
                self._session.line("Connected again." if connected else "The connection is lost; trying again...")

    def _tell(self, event: Event) -> None:
        """Say in a line what happened; of progress only now and then."""
        about = event.data.get("asset_id") or event.data.get("batch_id") or event.data.get("compilation_job_id")
        before, at = self._told.get(about, ("", 0.0))
        line, now = event.message or "", self._clock()
        if isinstance(event, Progress | FilmUpdated):
            going_on = event.status in ("generating", "processing", "queued")
            if going_on and now - at < SELDOM_S:
                return
            percent = event.percent if isinstance(event, Progress) else event.progress
            line = f"{line} {percent or 0:.0f}%" if going_on else line
        number = event.data.get("segment_number")
        if number and f"Segment {number}" not in line:
            line = f"Segment {number}: {line}"
        if line != before:
            self._told[about] = (line, now)
            self._session.line(line)

    def _render(self) -> RenderableType:
        if self._board is None:
            return Text("Connecting...", style="dim")
        parts: list[RenderableType] = [board_table(self._board, self._session.console.width)]
        parts += [Text(batch.message, style="bold") for batch in self._board.batches.values() if batch.message]
        waiting = sum(cell.look is Look.REVIEW for _, cell in self._board.cells)
        if waiting and self._keep:
            parts.append(Text(f"{waiting} to review: retake review", style="bold yellow"))
        if self._lost:
            parts.append(Text("The connection is lost; trying again...", style="yellow"))
        return Group(*parts)


@contextmanager
def percent(session: Session, what: str) -> Iterator[Callable[[float], None]]:
    """Shows how far something is, 0-100, where things may move."""
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(24), progress.TaskProgressColumn())
    with progress.Progress(*columns, console=session.console, transient=True, disable=not session.live) as bars:
        task = bars.add_task(what, total=100.0)
        yield lambda done: bars.update(task, completed=done)


@contextmanager
def transfer(session: Session, what: str) -> Iterator[OnProgress]:
    """Shows how far an upload or a download is, where things may move."""

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(24),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
    )
    bars = progress.Progress(*columns, console=session.console, transient=True, disable=not session.live)
    with bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
