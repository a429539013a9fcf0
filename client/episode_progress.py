"""The progress of an episode as a watcher sees it: its segments and their assets, kept up to date by events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from client.models import AssetKind, Episode, Run, RunStatus
from client.models import events as e


class AssetState(StrEnum):
    """The state of an asset as a watcher sees it."""

    NOTHING = "nothing"  # no version, and no run
    QUEUED = "queued"
    WORKING = "working"
    REVIEW = "review"  # a preview is waiting for a decision
    COMMITTING = "committing"
    DONE = "done"  # committed
    REJECTED = "rejected"
    FAILED = "failed"
    STOPPED = "stopped"  # expired or cancelled


@dataclass(frozen=True)
class AssetProgress:
    """One asset. `percent` is 0-100 while it is being generated."""

    kind: AssetKind
    asset_id: str | None = None
    state: AssetState = AssetState.NOTHING
    percent: float = 0.0
    message: str = ""
    run_id: str | None = None
    deadline: datetime | None = None
    recovery: str = ""
    at: datetime | None = None  # of the newest event applied

    @property
    def active(self) -> bool:
        return self.state in (AssetState.QUEUED, AssetState.WORKING, AssetState.REVIEW, AssetState.COMMITTING)


@dataclass
class SegmentProgress:
    """The assets of a segment, by kind. Number 0 stands for the episode itself (music)."""

    number: int
    title: str
    segment_id: str | None
    assets: dict[AssetKind, AssetProgress] = field(default_factory=dict)


@dataclass
class WorkProgress:
    """A batch or a compilation, as of its last event."""

    status: str = ""
    percent: float = 0.0
    message: str = ""
    completed: int = 0
    failed: int = 0
    total: int = 0


_STATES: dict[str, AssetState] = {
    RunStatus.REQUESTED: AssetState.QUEUED,
    RunStatus.QUEUED: AssetState.QUEUED,
    RunStatus.GENERATING: AssetState.WORKING,
    RunStatus.PREVIEW_READY: AssetState.REVIEW,
    RunStatus.ACCEPTED: AssetState.COMMITTING,
    RunStatus.COMPLETE: AssetState.DONE,
    RunStatus.REJECTED: AssetState.REJECTED,
    RunStatus.EXPIRED: AssetState.STOPPED,
    RunStatus.FAILED: AssetState.FAILED,
    RunStatus.CANCELLED: AssetState.STOPPED,
}


class EpisodeProgress:
    """Built from an episode and updated by events. Only the newest event of an asset counts.

    `outdated` is set when an event does not carry everything, so that the episode must be fetched again.
    """

    def __init__(self, episode: Episode) -> None:
        self.episode_id = episode.id
        self.title = episode.title
        self.segments: list[SegmentProgress] = []
        self.batches: dict[str, WorkProgress] = {}
        self.films: dict[str, WorkProgress] = {}
        self.outdated = False
        self.refresh(episode)

    def refresh(self, episode: Episode) -> None:
        """Take over a fetched episode, and keep the progress of active runs, which it does not contain."""
        before = {asset.asset_id: asset for _, asset in self.assets}
        self.title = episode.title
        segments = {s.id: SegmentProgress(s.segment_number, s.title, s.id) for s in episode.segments}
        music = SegmentProgress(0, "Music", None)
        for asset in episode.assets:
            segment = segments.get(asset.segment_id) if asset.segment_id else music
            if segment is None or asset.kind in (AssetKind.IMAGE, AssetKind.UNKNOWN):
                continue
            state = AssetState.DONE if asset.committed else AssetState.NOTHING
            current = AssetProgress(asset.kind, asset.id, state)
            earlier = before.get(asset.id)
            unsettled = earlier is not None and (earlier.active or earlier.state is AssetState.FAILED)
            if earlier and unsettled and asset.active_run_id == earlier.run_id:
                current = earlier
            elif asset.preview:
                current = _of_run(current, asset.preview)
            elif asset.active_run_id:
                current = replace(current, state=AssetState.QUEUED, run_id=asset.active_run_id)
            segment.assets[asset.kind] = current
        self.segments = sorted(segments.values(), key=lambda s: s.number) + ([music] if music.assets else [])
        self.outdated = False

    def apply(self, event: e.Event) -> bool:
        """Update from an event; returns whether anything changed. May set `outdated`."""
        if isinstance(event, e.Reset | e.Snapshot):
            self.outdated = True
            if isinstance(event, e.Snapshot):
                self._apply_snapshot(event)
            return True
        if event.episode_id not in (None, self.episode_id):
            return False
        match event:
            case e.RunEvent():
                return self._apply_run_event(event)
            case e.BatchUpdated(batch_id=str(batch_id)):
                self.batches[batch_id] = WorkProgress(
                    event.status or "", 0.0, event.message or "", event.completed, event.failed, event.total
                )
                return True
            case e.FilmUpdated(compilation_job_id=str(job_id)):
                self.films[job_id] = WorkProgress(event.status or "", event.progress or 0.0, event.message or "")
                return True
            case e.Changed():
                self.outdated = True
        return False

    def asset(self, asset_id: str | None) -> AssetProgress | None:
        return next((asset for _, asset in self.assets if asset.asset_id == asset_id), None)

    @property
    def assets(self) -> list[tuple[SegmentProgress, AssetProgress]]:
        """Every asset with its segment, in film order."""
        return [(segment, asset) for segment in self.segments for asset in segment.assets.values()]

    def _apply_run_event(self, event: e.RunEvent) -> bool:
        asset = self.asset(event.asset_id)
        if asset is None:
            self.outdated = True
            return False
        if asset.at and event.updated_at and event.updated_at < asset.at:
            return False
        changed = _after(asset, event)
        if changed is None:
            return False
        self._replace(replace(changed, at=event.updated_at or asset.at))
        return True

    def _apply_snapshot(self, snapshot: e.Snapshot) -> None:
        for run in snapshot.runs:
            asset = self.asset(run.asset_id)
            if asset and (asset.at is None or run.updated_at is None or run.updated_at >= asset.at):
                self._replace(
                    replace(
                        asset,
                        state=_STATES.get(run.status or "", AssetState.WORKING),
                        percent=run.percent or 0.0,
                        message=run.message or "",
                        run_id=run.run_id,
                        deadline=run.deadline,
                        at=run.updated_at,
                    )
                )
        for other in (*snapshot.batches, *snapshot.compilations):
            self.apply(other)

    def _replace(self, asset: AssetProgress) -> None:
        for segment in self.segments:
            known = segment.assets.get(asset.kind)
            if known and known.asset_id == asset.asset_id:
                segment.assets[asset.kind] = asset


def _after(asset: AssetProgress, event: e.RunEvent) -> AssetProgress | None:
    """The asset after this event; None if the event does not change what is shown."""
    message = event.message or ""
    same = replace(asset, message=message, recovery="", run_id=event.run_id or asset.run_id)
    match event:
        case e.RegenerateRequested():
            return replace(same, state=AssetState.QUEUED, percent=0.0, deadline=None)
        case e.Progress(percent=percent):
            queued = event.status in ("requested", "queued")
            return replace(same, state=AssetState.QUEUED if queued else AssetState.WORKING, percent=percent or 0.0)
        case e.PreviewReady(deadline=deadline):
            return replace(same, state=AssetState.REVIEW, percent=100.0, deadline=deadline)
        case e.Accepted():
            return replace(same, state=AssetState.COMMITTING, percent=100.0, deadline=None)
        case e.Rejected(next_run_id=next_run_id):
            state = AssetState.QUEUED if next_run_id else AssetState.REJECTED
            return replace(same, state=state, percent=0.0, deadline=None, run_id=next_run_id or same.run_id)
        case e.ReviewUpdated(change="opened", deadline=deadline):
            return replace(asset, deadline=deadline)
        case e.ReviewUpdated(change="expired"):
            return replace(same, state=AssetState.STOPPED, deadline=None)
        case e.Failed(error=error):
            state = AssetState.STOPPED if event.status == "cancelled" else AssetState.FAILED
            text = message or (error.text if error else "")
            recovery = (error.recovery or "") if error else ""
            return replace(same, state=state, message=text, recovery=recovery)
        case e.Complete():
            return replace(same, state=AssetState.DONE, percent=100.0, deadline=None)
    return None


def _of_run(asset: AssetProgress, run: Run) -> AssetProgress:
    return replace(
        asset,
        state=_STATES.get(run.status, AssetState.WORKING),
        percent=run.percent or 0.0,
        message=run.message or "",
        run_id=run.id,
        deadline=run.deadline,
        recovery=(run.error.recovery or "") if run.error else "",
        at=run.updated_at,
    )
