"""Editing one asset: the draft, the decision, and what may be shown before the gateway has confirmed it.

A pure state machine, the same for every kind: a call or an event gives the next state and what is to be done.
The studio mirrors it; `client.controller` carries it out. Its rules:

- The draft has a baseline; what differs from it is `has_changes` ("unsaved changes"). A rejection keeps the draft,
  leaving the editor resets it, an acceptance makes the accepted values both draft and baseline.
- Accepting shows the accepted directions, model and parameters at once. If the decision is refused or the commit
  fails, that is undone, except what the person typed since. URL, player and timeline change when `complete` has
  been followed by a refresh, never earlier.
- Events come twice, late and in any order: only one newer than what was applied counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from client.models import events as e


@dataclass(frozen=True)
class Values:
    """What a run is made from."""

    directions: str = ""
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Committed:
    """What every view but the preview plays. `at` is when it was committed."""

    version_id: str | None = None
    url: str | None = None
    values: Values = Values()
    at: datetime | None = None


@dataclass(frozen=True)
class Preview:
    """One version that can be decided on."""

    version_id: str
    values: Values


class Phase(StrEnum):
    IDLE = "idle"
    GENERATING = "generating"
    REVIEW = "review"
    COMMITTING = "committing"


@dataclass(frozen=True)
class Start:
    """POST the run, made from the draft."""

    values: Values


@dataclass(frozen=True)
class Decide:
    """POST the review."""

    run_id: str
    version_id: str
    action: Literal["approve", "reject"]


@dataclass(frozen=True)
class Refresh:
    """GET the asset, once for all that come within 150 ms."""


Effect = Start | Decide | Refresh
REFRESH_DEBOUNCE_S = 0.15


@dataclass(frozen=True)
class _Undo:
    """What an optimistic update replaced, and what it put there."""

    committed: Committed
    baseline: Values
    draft: Values
    put: Values


_Place = tuple[datetime, int]
"""How new a piece of news is: its time; of the same moment, the later step of a run."""

_RANKS: dict[type[e.Event], int] = {
    e.RegenerateRequested: 0, e.Progress: 1, e.PreviewReady: 2, e.ReviewUpdated: 3, e.Accepted: 4, e.Rejected: 4,
    e.Failed: 5, e.Complete: 5,
}  # fmt: skip


@dataclass(frozen=True)
class Editor:
    asset_id: str
    committed: Committed = Committed()
    draft: Values = Values()
    baseline: Values = Values()
    phase: Phase = Phase.IDLE
    run_id: str | None = None
    percent: float = 0.0
    previews: tuple[Preview, ...] = ()
    is_review_open: bool = False
    is_decision_pending: bool = False
    is_starting: bool = False
    error: str | None = None
    seen: _Place | None = None
    undo: _Undo | None = None

    @property
    def has_changes(self) -> bool:
        return self.draft != self.baseline

    @property
    def is_generating(self) -> bool:
        return self.is_starting or self.phase is Phase.GENERATING

    @property
    def can_start(self) -> bool:
        """A preview that waits may be made again: that closes it."""
        return self.phase in (Phase.IDLE, Phase.REVIEW) and not self.is_starting and not self.is_decision_pending

    @property
    def can_decide(self) -> bool:
        return self.phase is Phase.REVIEW and not self.is_decision_pending and not self.is_starting


Step = tuple[Editor, tuple[Effect, ...]]


def edit(editor: Editor, draft: Values) -> Editor:
    return replace(editor, draft=draft)


def saved(editor: Editor, values: Values) -> Editor:
    """The gateway keeps these now; what was typed meanwhile stays unsaved."""
    return replace(editor, baseline=values)


def leave(editor: Editor) -> Editor:
    """Close the editor: what is unsaved is dropped, the review decides nothing."""
    return replace(editor, draft=editor.baseline, is_review_open=False)


def reset(editor: Editor) -> Editor:
    """Drop what is unsaved, and the error."""
    return replace(editor, draft=editor.baseline, error=None)


def start(editor: Editor) -> Step:
    if not editor.can_start:
        return editor, ()
    return replace(editor, is_starting=True, is_review_open=False, error=None), (Start(editor.draft),)


def started(editor: Editor, run_id: str, at: datetime) -> Editor:
    """The gateway took the run; its own events may have come before this answer."""
    editor = replace(editor, is_starting=False)
    if editor.seen is not None and (at, 0) <= editor.seen:
        return editor
    return _generating(replace(editor, seen=(at, 0)), run_id, 0.0)


def not_started(editor: Editor, error: str) -> Step:
    return replace(editor, is_starting=False, error=error), (Refresh(),)


def open_review(editor: Editor) -> Editor:
    return replace(editor, is_review_open=editor.phase is Phase.REVIEW)


def close_review(editor: Editor) -> Editor:
    """Closing decides nothing: the preview goes on waiting."""
    return replace(editor, is_review_open=False)


def accept(editor: Editor, version_id: str | None = None) -> Step:
    """Take a preview (the only one, unless named)."""
    preview = _chosen(editor, version_id)
    if not editor.can_decide or preview is None or editor.run_id is None:
        return editor, ()
    undo = _Undo(editor.committed, editor.baseline, editor.draft, preview.values)
    shown = replace(
        editor,
        committed=replace(editor.committed, values=preview.values),
        draft=preview.values,
        baseline=preview.values,
        is_decision_pending=True,
        error=None,
        undo=undo,
    )
    return shown, (Decide(editor.run_id, preview.version_id, "approve"),)


def reject(editor: Editor, version_id: str | None = None) -> Step:
    preview = _chosen(editor, version_id) or (editor.previews[0] if editor.previews else None)
    if not editor.can_decide or preview is None or editor.run_id is None:
        return editor, ()
    return replace(editor, is_decision_pending=True, error=None), (Decide(editor.run_id, preview.version_id, "reject"),)


def not_decided(editor: Editor, error: str) -> Step:
    """The decision was refused: somebody was faster, or its time ran out."""
    return replace(_undone(editor), is_decision_pending=False, error=error), (Refresh(),)


def apply(editor: Editor, event: e.RunEvent) -> Step:
    """An event of this asset; one that is not newer than what is known changes nothing, but `complete` refreshes."""
    refresh: tuple[Effect, ...] = (Refresh(),) if isinstance(event, e.Complete) else ()
    place = (event.updated_at, _RANKS.get(type(event), 0)) if event.updated_at else None
    if event.asset_id != editor.asset_id:
        return editor, ()
    if isinstance(event, e.ReviewUpdated) and event.change == "opened":
        return editor, ()  # it says less than the preview, which it may overtake
    if place is not None and editor.seen is not None and place <= editor.seen:
        return editor, refresh
    return _moved(replace(editor, seen=place or editor.seen), event), refresh


def refreshed(editor: Editor, committed: Committed, saved_draft: Values | None = None) -> Editor:
    """What a GET shows. An answer that was under way while a newer one was applied is dropped."""
    if committed.at and editor.committed.at and committed.at < editor.committed.at:
        return editor
    if editor.undo is not None and committed.at == editor.committed.at:
        # Not committed yet: the player has its new link, the texts stay ahead.
        return replace(editor, committed=replace(editor.committed, url=committed.url))
    baseline = saved_draft or committed.values
    draft = editor.draft if editor.has_changes else baseline
    return replace(editor, committed=committed, baseline=baseline, draft=draft, undo=None)


def caught_up(editor: Editor, fresh: Editor) -> Editor:
    """All that a GET shows, also the run: for what was missed. Events that came since count more."""
    before = editor
    editor = refreshed(editor, fresh.committed, fresh.baseline)
    busy = before.is_starting or before.is_decision_pending or before.undo is not None
    older = fresh.seen is not None and before.seen is not None and fresh.seen < before.seen
    unchanged = fresh.phase is before.phase and fresh.run_id == before.run_id
    if busy or older or unchanged:
        return editor
    seen = fresh.seen or before.seen
    run = replace(editor, phase=fresh.phase, run_id=fresh.run_id, previews=fresh.previews, seen=seen)
    return replace(run, is_review_open=run.is_review_open and run.phase is Phase.REVIEW, percent=fresh.percent)


def _moved(editor: Editor, event: e.RunEvent) -> Editor:
    run_id = event.run_id
    match event:
        case e.RegenerateRequested():
            return _generating(editor, run_id, 0.0)
        case e.Progress(percent=percent):
            return _generating(editor, run_id, percent or 0.0) if editor.phase is not Phase.COMMITTING else editor
        case e.PreviewReady():
            previews = tuple(Preview(v.version_id, _values(v)) for v in event.versions)
            at_rest = replace(editor, phase=Phase.REVIEW, run_id=run_id, percent=100.0, previews=previews)
            return replace(at_rest, is_review_open=True, is_decision_pending=False, is_starting=False, error=None)
        case e.Accepted(version_id=version_id):
            return _accepted(replace(editor, run_id=run_id), version_id)
        case e.Rejected(next_run_id=str(next_run_id)):
            return _generating(_undone(editor), next_run_id, 0.0)
        case e.Rejected():
            return _idle(_undone(editor))
        case e.ReviewUpdated(change="expired" | "withdrawn"):
            return _idle(_undone(editor))
        case e.ReviewUpdated(change="refused"):
            return replace(_undone(editor), is_decision_pending=False, error=event.reason)
        case e.Failed(error=error):
            text = event.message or (error.text if error else None)
            return replace(_idle(_undone(editor)), error=None if event.status == "cancelled" else text)
        case e.Complete():
            return _idle(editor)
    return editor


def _generating(editor: Editor, run_id: str | None, percent: float) -> Editor:
    working = replace(editor, phase=Phase.GENERATING, run_id=run_id, percent=percent, previews=(), error=None)
    return replace(working, is_review_open=False, is_decision_pending=False, is_starting=False)


def _idle(editor: Editor) -> Editor:
    ended = replace(editor, phase=Phase.IDLE, run_id=None, previews=(), percent=0.0)
    return replace(ended, is_review_open=False, is_decision_pending=False, is_starting=False)


def _accepted(editor: Editor, version_id: str | None) -> Editor:
    """Ours, shown already; or somebody else's, shown now. Their acceptance does not drop what is unsaved here."""
    taken = next((p.values for p in editor.previews if p.version_id == version_id), None)
    if taken is not None and (editor.undo is None or editor.undo.put != taken):
        editor = _undone(editor)
        undo = _Undo(editor.committed, editor.baseline, editor.draft, taken)
        draft = editor.draft if editor.has_changes else taken
        shown = replace(editor.committed, values=taken)
        editor = replace(editor, committed=shown, baseline=taken, draft=draft, undo=undo)
    committing = replace(editor, phase=Phase.COMMITTING, percent=100.0, previews=())
    return replace(committing, is_review_open=False, is_decision_pending=False, is_starting=False)


def _undone(editor: Editor) -> Editor:
    """Take back an optimistic update, but not what was typed since."""
    undo = editor.undo
    if undo is None:
        return editor
    draft = undo.draft if editor.draft == undo.put else editor.draft
    return replace(editor, committed=undo.committed, baseline=undo.baseline, draft=draft, undo=None)


def _chosen(editor: Editor, version_id: str | None) -> Preview | None:
    if version_id is None:
        return editor.previews[0] if len(editor.previews) == 1 else None
    return next((p for p in editor.previews if p.version_id == version_id), None)


def _values(version: e.PreviewVersion) -> Values:
    facts = {"duration": version.duration, "resolution": version.resolution, "aspect_ratio": version.aspect_ratio}
    return Values(version.directions or "", version.model, {k: v for k, v in facts.items() if v is not None})
