"""Live terminal output: the progress of an episode, of transfers; plain lines where the output is not a terminal."""

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

from client.cli.progress_table import progress_table
from client.cli.session import Session
from client.episode_progress import AssetState, EpisodeProgress
from client.models.events import Event, FilmUpdated, Progress
from client.transfers import OnProgress

PROGRESS_LINE_S = 10.0  # between two lines of progress in plain output


class Screen:
    """Shows the progress of an episode. `paused` makes room for a question."""

    def __init__(self, session: Session, *, keep: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._progress: EpisodeProgress | None = None
        self._connection_lost = False
        self._last_lines: dict[str | None, tuple[str, float]] = {}
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
        """Nothing is drawn meanwhile; the progress keeps changing."""
        self._stop(transient=True)
        try:
            yield
        finally:
            self._start()

    def _start(self) -> None:
        """A new display each time: the old one would draw over what was printed since."""
        if self._session.live:
            self._live = Live(console=self._session.console, get_renderable=self._render, refresh_per_second=8)
            self._live.start()

    def _stop(self, *, transient: bool) -> None:
        if self._live:
            self._live.transient = transient
            self._live.stop()
            self._live = None

    def update(self, progress: EpisodeProgress, event: Event | None) -> None:
        """Show this progress; if the output is not a terminal, print the message of the event."""
        self._progress = progress
        if event is not None and not self._session.live and event.message:
            self._print_message(event)

    def connection(self, connected: bool) -> None:
        if connected is self._connection_lost:
            self._connection_lost = not connected
            if not self._session.live:
                self._session.line("Reconnected." if connected else "Connection lost; reconnecting...")

    def _print_message(self, event: Event) -> None:
        """Print the message of an event as a line; progress at most every ten seconds."""
        subject = event.data.get("asset_id") or event.data.get("batch_id") or event.data.get("compilation_job_id")
        before, at = self._last_lines.get(subject, ("", 0.0))
        line, now = event.message or "", self._clock()
        if isinstance(event, Progress | FilmUpdated):
            active = event.status in ("generating", "processing", "queued")
            if active and now - at < PROGRESS_LINE_S:
                return
            percent = event.percent if isinstance(event, Progress) else event.progress
            line = f"{line} {percent or 0:.0f}%" if active else line
        number = event.data.get("segment_number")
        if number and f"Segment {number}" not in line:
            line = f"Segment {number}: {line}"
        if line != before:
            self._last_lines[subject] = (line, now)
            self._session.line(line)

    def _render(self) -> RenderableType:
        if self._progress is None:
            return Text("Connecting...", style="dim")
        parts: list[RenderableType] = [progress_table(self._progress, self._session.console.width)]
        parts += [Text(batch.message, style="bold") for batch in self._progress.batches.values() if batch.message]
        waiting = sum(asset.state is AssetState.REVIEW for _, asset in self._progress.assets)
        if waiting and self._keep:
            parts.append(Text(f"{waiting} to review: retake review", style="bold yellow"))
        if self._connection_lost:
            parts.append(Text("Connection lost; reconnecting...", style="yellow"))
        return Group(*parts)


@contextmanager
def percent(session: Session, what: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on terminals; the yielded function sets its value, 0-100."""
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(24), progress.TaskProgressColumn())
    with progress.Progress(*columns, console=session.console, transient=True, disable=not session.live) as bars:
        task = bars.add_task(what, total=100.0)
        yield lambda done: bars.update(task, completed=done)


@contextmanager
def transfer(session: Session, what: str) -> Iterator[OnProgress]:
    """A progress bar of an upload or a download on terminals."""
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
