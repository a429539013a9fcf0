"""The state of an episode as a watcher sees it: segments x what is made for them, kept up to date by events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from client.models import Episode, Kind, Run, RunStatus
from client.models import events as e


class Look(StrEnum):
    """How a cell looks."""

    NOTHING = "nothing"  # not made yet, nothing under way
    QUEUED = "queued"
    WORKING = "working"
    REVIEW = "review"  # waits for a person
    COMMITTING = "committing"
    DONE = "done"  # committed
    REJECTED = "rejected"
    FAILED = "failed"
    STOPPED = "stopped"  # expired or cancelled


@dataclass(frozen=True)
class Cell:
    """One asset. `percent` is 0-100 while it is worked on; `had` says that a committed version exists."""

    kind: Kind
    asset_id: str | None = None
    look: Look = Look.NOTHING
    percent: float = 0.0
    message: str = ""
    run_id: str | None = None
    deadline: datetime | None = None
    recovery: str = ""
    had: bool = False
    at: datetime | None = None  # of the newest event applied

    @property
    def active(self) -> bool:
        return self.look in (Look.QUEUED, Look.WORKING, Look.REVIEW, Look.COMMITTING)


@dataclass
class Row:
    """A segment; number 0 is the episode as a whole (music)."""

    number: int
    title: str
    segment_id: str | None
    cells: dict[Kind, Cell] = field(default_factory=dict)


@dataclass
class Work:
    """A batch or a compilation as last heard of."""

    status: str = ""
    percent: float = 0.0
    message: str = ""
    completed: int = 0
    failed: int = 0
    total: int = 0


_LOOKS: dict[str, Look] = {
    RunStatus.REQUESTED: Look.QUEUED,
    RunStatus.QUEUED: Look.QUEUED,
    RunStatus.GENERATING: Look.WORKING,
    RunStatus.PREVIEW_READY: Look.REVIEW,
    RunStatus.ACCEPTED: Look.COMMITTING,
    RunStatus.COMPLETE: Look.DONE,
    RunStatus.REJECTED: Look.REJECTED,
    RunStatus.EXPIRED: Look.STOPPED,
    RunStatus.FAILED: Look.FAILED,
    RunStatus.CANCELLED: Look.STOPPED,
}


class Board:
    """Built from an episode, moved by events. Only the newest event of an asset counts."""

    def __init__(self, episode: Episode) -> None:
        self.episode_id = episode.id
        self.title = episode.title
        self.rows: list[Row] = []
        self.batches: dict[str, Work] = {}
        self.films: dict[str, Work] = {}
        self.outdated = False
        self.refresh(episode)

    def refresh(self, episode: Episode) -> None:
        """Take over what a GET shows, keeping the progress of runs that go on."""
        before = {c.asset_id: c for row in self.rows for c in row.cells.values()}
        self.title = episode.title
        rows = {s.id: Row(s.segment_number, s.title, s.id) for s in episode.segments}
        whole = Row(0, "Music", None)
        for asset in episode.assets:
            row = rows.get(asset.segment_id) if asset.segment_id else whole
            if row is None or asset.kind in (Kind.IMAGE, Kind.UNKNOWN):
                continue
            cell = Cell(asset.kind, asset.id, Look.DONE if asset.committed else Look.NOTHING, had=bool(asset.committed))
            earlier = before.get(asset.id)
            if earlier and (earlier.active or earlier.look is Look.FAILED) and asset.active_run_id == earlier.run_id:
                cell = replace(earlier, had=cell.had)
            elif asset.preview:
                cell = _of_run(cell, asset.preview)
            elif asset.active_run_id:
                cell = replace(cell, look=Look.QUEUED, run_id=asset.active_run_id)
            row.cells[asset.kind] = cell
        self.rows = sorted(rows.values(), key=lambda r: r.number) + ([whole] if whole.cells else [])
        self.outdated = False

    def apply(self, event: e.Event) -> bool:
        """Whether anything shown changed. Sets `outdated` when only a GET tells the rest."""
        if isinstance(event, e.Reset | e.Snapshot):
            self.outdated = True
            if isinstance(event, e.Snapshot):
                self._snapshot(event)
            return True
        if event.episode_id not in (None, self.episode_id):
            return False
        match event:
            case e.RunEvent():
                return self._run_event(event)
            case e.BatchUpdated(batch_id=str(batch_id)):
                self.batches[batch_id] = Work(
                    event.status or "", 0.0, event.message or "", event.completed, event.failed, event.total
                )
                return True
            case e.FilmUpdated(compilation_job_id=str(job_id)):
                self.films[job_id] = Work(event.status or "", event.progress or 0.0, event.message or "")
                return True
            case e.Changed():
                self.outdated = True
        return False

    def cell(self, asset_id: str | None) -> Cell | None:
        return next((c for row in self.rows for c in row.cells.values() if c.asset_id == asset_id), None)

    @property
    def cells(self) -> list[tuple[Row, Cell]]:
        return [(row, cell) for row in self.rows for cell in row.cells.values()]

    def _run_event(self, event: e.RunEvent) -> bool:
        cell = self.cell(event.asset_id)
        if cell is None:
            self.outdated = True
            return False
        if cell.at and event.updated_at and event.updated_at < cell.at:
            return False
        moved = _moved(cell, event)
        if moved is None:
            return False
        self._put(replace(moved, at=event.updated_at or cell.at))
        return True

    def _snapshot(self, snapshot: e.Snapshot) -> None:
        for run in snapshot.runs:
            cell = self.cell(run.asset_id)
            if cell and (cell.at is None or run.updated_at is None or run.updated_at >= cell.at):
                look = _LOOKS.get(run.status or "", Look.WORKING)
                self._put(
                    replace(
                        cell,
                        look=look,
                        percent=run.percent or 0.0,
                        message=run.message or "",
                        run_id=run.run_id,
                        deadline=run.deadline,
                        at=run.updated_at,
                    )
                )
        for other in (*snapshot.batches, *snapshot.compilations):
            self.apply(other)

    def _put(self, cell: Cell) -> None:
        for row in self.rows:
            known = row.cells.get(cell.kind)
            if known and known.asset_id == cell.asset_id:
                row.cells[cell.kind] = cell


def _moved(cell: Cell, event: e.RunEvent) -> Cell | None:
    """The cell after this event; None if it does not concern how the cell looks."""
    message = event.message or ""
    same = replace(cell, message=message, recovery="", run_id=event.run_id or cell.run_id)
    match event:
        case e.RegenerateRequested():
            return replace(same, look=Look.QUEUED, percent=0.0, deadline=None)
        case e.Progress(percent=percent):
            queued = event.status in ("requested", "queued")
            return replace(same, look=Look.QUEUED if queued else Look.WORKING, percent=percent or 0.0)
        case e.PreviewReady(deadline=deadline):
            return replace(same, look=Look.REVIEW, percent=100.0, deadline=deadline)
        case e.Accepted():
            return replace(same, look=Look.COMMITTING, percent=100.0, deadline=None)
        case e.Rejected(next_run_id=next_run_id):
            look = Look.QUEUED if next_run_id else Look.REJECTED
            return replace(same, look=look, percent=0.0, deadline=None, run_id=next_run_id or same.run_id)
        case e.ReviewUpdated(change="opened", deadline=deadline):
            return replace(cell, deadline=deadline)
        case e.ReviewUpdated(change="expired"):
            return replace(same, look=Look.STOPPED, deadline=None)
        case e.Failed(error=error):
            cancelled = event.status == "cancelled"
            text = message or (error.text if error else "")
            recovery = (error.recovery or "") if error else ""
            return replace(same, look=Look.STOPPED if cancelled else Look.FAILED, message=text, recovery=recovery)
        case e.Complete():
            return replace(same, look=Look.DONE, percent=100.0, deadline=None, had=True)
    return None


def _of_run(cell: Cell, run: Run) -> Cell:
    return replace(
        cell,
        look=_LOOKS.get(run.status, Look.WORKING),
        percent=run.percent or 0.0,
        message=run.message or "",
        run_id=run.id,
        deadline=run.deadline,
        recovery=(run.error.recovery or "") if run.error else "",
        at=run.updated_at,
    )
