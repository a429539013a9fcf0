"""The state machine of an asset editor: the draft, the decision, and its optimistic display.

It is pure and the same for every kind of asset: a call or an event returns the next state and the effects to execute.
The studio mirrors it; `client.controller` executes it. Its rules:

- The draft has a baseline, which is what the gateway has saved; a difference between them is `has_changes` ("unsaved
  changes"). Both have only what a person chose: a model or a parameter that nobody chose is absent, and the gateway
  resolves it. A run is started with the changes alone.
- A rejection keeps the draft, and leaving the editor resets it. An acceptance makes the accepted directions both draft
  and baseline; parameters that were given for one run are dropped.
- Accepting shows the accepted directions, model and measured facts at once. If the decision is refused or the commit
  fails, that is undone, except for later edits of the user. URL, player and timeline change only after the refresh
  that follows `complete`.
- Events may arrive twice, late and in any order: only those newer than the last applied one have an effect.
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
    """Of a draft: what a person chose, with settings of the model as parameters. Of a version: how it was made, with
    its measured duration (seconds), resolution and aspect ratio as parameters; a model need not take those."""

    directions: str = ""
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Committed:
    """The committed version, which every view except the preview plays. `at` is the time of its commit."""

    version_id: str | None = None
    url: str | None = None
    values: Values = Values()
    at: datetime | None = None


@dataclass(frozen=True)
class Preview:
    """A version that is waiting for a decision."""

    version_id: str
    values: Values


class Phase(StrEnum):
    IDLE = "idle"
    GENERATING = "generating"
    REVIEW = "review"
    COMMITTING = "committing"


@dataclass(frozen=True)
class Start:
    """POST a run with these values: the unsaved changes of the draft. The gateway has the others."""

    values: Values


@dataclass(frozen=True)
class Decide:
    """POST the review."""

    run_id: str
    version_id: str
    action: Literal["approve", "reject"]


@dataclass(frozen=True)
class Refresh:
    """GET the asset, once for all requests within 150 ms."""


Effect = Start | Decide | Refresh
REFRESH_DEBOUNCE_S = 0.15


@dataclass(frozen=True)
class _Undo:
    """The values before an optimistic update, and the draft that it applied."""

    committed: Committed
    baseline: Values
    draft: Values
    applied: Values


_Position = tuple[datetime, int]
"""The order of events: by time; at the same time, by the step of the run."""

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
    seen: _Position | None = None
    undo: _Undo | None = None

    @property
    def has_changes(self) -> bool:
        return self.draft != self.baseline

    @property
    def is_generating(self) -> bool:
        return self.is_starting or self.phase is Phase.GENERATING

    @property
    def can_start(self) -> bool:
        """A new run may also replace a waiting preview."""
        return self.phase in (Phase.IDLE, Phase.REVIEW) and not self.is_starting and not self.is_decision_pending

    @property
    def can_decide(self) -> bool:
        return self.phase is Phase.REVIEW and not self.is_decision_pending and not self.is_starting


Step = tuple[Editor, tuple[Effect, ...]]


def edit(editor: Editor, draft: Values) -> Editor:
    return replace(editor, draft=draft)


def saved(editor: Editor, values: Values) -> Editor:
    """The gateway has saved these values; later edits remain unsaved."""
    return replace(editor, baseline=values)


def leave(editor: Editor) -> Editor:
    """Close the editor: unsaved changes are dropped, and the review stays undecided."""
    return replace(editor, draft=editor.baseline, is_review_open=False)


def reset(editor: Editor) -> Editor:
    """Drop unsaved changes and the error."""
    return replace(editor, draft=editor.baseline, error=None)


def start(editor: Editor) -> Step:
    if not editor.can_start:
        return editor, ()
    changes = _changes(editor.draft, editor.baseline)
    return replace(editor, is_starting=True, is_review_open=False, error=None), (Start(changes),)


def started(editor: Editor, run_id: str, at: datetime) -> Editor:
    """The gateway has accepted the run; events of the run may have arrived before this response."""
    editor = replace(editor, is_starting=False)
    if editor.seen is not None and (at, 0) <= editor.seen:
        return editor
    return _generating(replace(editor, seen=(at, 0)), run_id, 0.0)


def not_started(editor: Editor, error: str) -> Step:
    return replace(editor, is_starting=False, error=error), (Refresh(),)


def open_review(editor: Editor) -> Editor:
    return replace(editor, is_review_open=editor.phase is Phase.REVIEW)


def close_review(editor: Editor) -> Editor:
    """Close the review without a decision: the preview keeps waiting."""
    return replace(editor, is_review_open=False)


def accept(editor: Editor, version_id: str | None = None) -> Step:
    """Accept the preview of this version, or the only preview."""
    preview = _select(editor, version_id)
    if not editor.can_decide or preview is None or editor.run_id is None:
        return editor, ()
    kept = _kept(editor, preview.values)
    shown = replace(
        editor,
        committed=replace(editor.committed, values=preview.values),
        draft=kept,
        baseline=kept,
        is_decision_pending=True,
        error=None,
        undo=_Undo(editor.committed, editor.baseline, editor.draft, kept),
    )
    return shown, (Decide(editor.run_id, preview.version_id, "approve"),)


def reject(editor: Editor, version_id: str | None = None) -> Step:
    """Reject the preview of this version, or the first preview."""
    preview = _select(editor, version_id) or (editor.previews[0] if editor.previews else None)
    if not editor.can_decide or preview is None or editor.run_id is None:
        return editor, ()
    return replace(editor, is_decision_pending=True, error=None), (Decide(editor.run_id, preview.version_id, "reject"),)


def not_decided(editor: Editor, error: str) -> Step:
    """The decision was refused: the run was decided before, or its review has expired."""
    return replace(_undone(editor), is_decision_pending=False, error=error), (Refresh(),)


def apply(editor: Editor, event: e.RunEvent) -> Step:
    """Apply an event of this asset. An old event changes nothing, but `complete` always refreshes."""
    refresh: tuple[Effect, ...] = (Refresh(),) if isinstance(event, e.Complete) else ()
    position = (event.updated_at, _RANKS.get(type(event), 0)) if event.updated_at else None
    if event.asset_id != editor.asset_id:
        return editor, ()
    if isinstance(event, e.ReviewUpdated) and event.change == "opened":
        return editor, ()  # it carries less than `preview-ready`, which it may overtake
    if position is not None and editor.seen is not None and position <= editor.seen:
        return editor, refresh
    return _after(replace(editor, seen=position or editor.seen), event), refresh


def refreshed(editor: Editor, committed: Committed, saved_draft: Values) -> Editor:
    """Take over a fetched asset and its draft. A response that is older than the applied state is dropped."""
    if committed.at and editor.committed.at and committed.at < editor.committed.at:
        return editor
    if editor.undo is not None and committed.at == editor.committed.at:
        # Not committed yet: only the link is taken over, and the optimistic texts are kept.
        return replace(editor, committed=replace(editor.committed, url=committed.url))
    draft = editor.draft if editor.has_changes else saved_draft
    return replace(editor, committed=committed, baseline=saved_draft, draft=draft, undo=None)


def caught_up(editor: Editor, fresh: Editor) -> Editor:
    """Take over a fetched asset with its run, after missed events. Newer events take precedence."""
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


def _after(editor: Editor, event: e.RunEvent) -> Editor:
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
    """Our acceptance, which is shown already, or another user's, which is shown now and keeps our unsaved changes."""
    accepted = next((p.values for p in editor.previews if p.version_id == version_id), None)
    if accepted is not None and (editor.undo is None or editor.committed.values != accepted):
        editor = _undone(editor)
        kept = _kept(editor, accepted)
        undo = _Undo(editor.committed, editor.baseline, editor.draft, kept)
        draft = editor.draft if editor.has_changes else kept
        shown = replace(editor.committed, values=accepted)
        editor = replace(editor, committed=shown, baseline=kept, draft=draft, undo=undo)
    committing = replace(editor, phase=Phase.COMMITTING, percent=100.0, previews=())
    return replace(committing, is_review_open=False, is_decision_pending=False, is_starting=False)


def _kept(editor: Editor, accepted: Values) -> Values:
    """What the gateway keeps as the draft after an acceptance: the accepted directions, the accepted model if it was
    chosen, and the parameters that were saved before."""
    model = accepted.model if editor.draft.model == accepted.model else editor.baseline.model
    return Values(accepted.directions, model, editor.baseline.parameters)


def _changes(draft: Values, baseline: Values) -> Values:
    """What was chosen since the baseline; empty where the draft is as it was saved."""
    parameters = {k: v for k, v in draft.parameters.items() if baseline.parameters.get(k) != v}
    return Values(
        draft.directions if draft.directions != baseline.directions else "",
        draft.model if draft.model != baseline.model else None,
        parameters,
    )


def _undone(editor: Editor) -> Editor:
    """Undo an optimistic update, but not later edits."""
    undo = editor.undo
    if undo is None:
        return editor
    draft = undo.draft if editor.draft == undo.applied else editor.draft
    return replace(editor, committed=undo.committed, baseline=undo.baseline, draft=draft, undo=None)


def _select(editor: Editor, version_id: str | None) -> Preview | None:
    if version_id is None:
        return editor.previews[0] if len(editor.previews) == 1 else None
    return next((p for p in editor.previews if p.version_id == version_id), None)


def _values(version: e.PreviewVersion) -> Values:
    facts = {"duration": version.duration, "resolution": version.resolution, "aspect_ratio": version.aspect_ratio}
    return Values(version.directions or "", version.model, {k: v for k, v in facts.items() if v is not None})
