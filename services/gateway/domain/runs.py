"""Runs: what the generator and the review service report, in any order, makes one status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, assert_never

from services.gateway.domain.run_parameters import RunParameters
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.events.review import ReviewChange
from shared.contracts.values import Actor, AssetKind, ParentReason, RunSource


@dataclass(frozen=True)
class Run:
    """A run with what handlers need of its asset. `held`: waits for the verdict on its parent, not sent yet.

    `holds`: the run that waits for the verdict on this one. `batch_now`: the live batch of its episode.
    """

    run_id: str
    project_id: str
    owner_id: str
    episode_id: str
    asset_id: str
    segment_id: str | None
    segment_number: int | None
    kind: AssetKind
    label: str
    source: RunSource
    parent_run_id: str | None
    parent_reason: ParentReason | None
    batch_id: str | None
    import_id: str | None
    request: RegenerateRequested
    auto_approve: bool
    held: bool
    state: RunState
    announced: bool
    step: str | None
    attempt: int
    candidates: tuple[str, ...]
    version_id: str | None
    deadline: datetime | None
    actor: Actor
    draft_revision: int
    updated_at: datetime
    holds: str | None
    batch_now: str | None
    asset_revision: int
    asset_committed: bool
    segment_duration: float | None

    @property
    def status(self) -> RunStatus:
        return self.state.status

    @property
    def wanted(self) -> RunParameters:
        return RunParameters.of(self.request.overrides)

    def moved(self, state: RunState, at: datetime, version_id: str) -> Run:
        """As it is after it was accepted."""
        return replace(self, state=state, updated_at=at, version_id=version_id, holds=None)


@dataclass(frozen=True)
class NewRun:
    """`request` is published now, or once the parent's verdict is known (`held`)."""

    request: RegenerateRequested
    project_id: str
    number: int
    at: datetime
    held: bool = False
    import_id: str | None = None
    changes: Mapping[str, Any] | None = None
    draft_revision: int = 0


class GeneratorState(StrEnum):
    """What the generator says of a run, in the order in which it can happen."""

    REQUESTED = "requested"
    QUEUED = "queued"
    GENERATING = "generating"
    PREVIEW_READY = "preview_ready"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ReviewState(StrEnum):
    """What review says of a run."""

    NONE = "none"
    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class RunStatus(StrEnum):
    REQUESTED = "requested"
    QUEUED = "queued"
    GENERATING = "generating"
    PREVIEW_READY = "preview_ready"
    ACCEPTED = "accepted"
    COMPLETE = "complete"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"


CANCELLABLE: Final = frozenset({RunStatus.REQUESTED, RunStatus.QUEUED, RunStatus.GENERATING})


ACTIVE: Final = CANCELLABLE | {RunStatus.PREVIEW_READY, RunStatus.ACCEPTED}


TERMINAL: Final = frozenset(RunStatus) - ACTIVE


AT_REST: Final = TERMINAL | {RunStatus.PREVIEW_READY}
"""Where `Prefer: wait` stops waiting."""


_FINAL: Final = frozenset({GeneratorState.COMPLETE, GeneratorState.FAILED, GeneratorState.CANCELLED})


_DECIDED: Final = frozenset({ReviewState.ACCEPTED, ReviewState.REJECTED, ReviewState.EXPIRED, ReviewState.WITHDRAWN})


def status_of(generator: GeneratorState, verdict: ReviewState) -> RunStatus:
    """The generator's terminal states beat any verdict; a verdict beats what came before it."""
    if generator in _FINAL:
        return RunStatus(generator)
    match verdict:
        case ReviewState.ACCEPTED | ReviewState.REJECTED | ReviewState.EXPIRED:
            return RunStatus(verdict)
        case ReviewState.WITHDRAWN:  # its asset was deleted
            return RunStatus.CANCELLED
        case ReviewState.NONE | ReviewState.OPEN:
            return RunStatus(generator)
        case _:
            assert_never(verdict)


@dataclass(frozen=True)
class RunState:
    """Where a run stands: the newest word of either owner, and the counter that came with it."""

    generator: GeneratorState = GeneratorState.REQUESTED
    verdict: ReviewState = ReviewState.NONE
    run_rev: int = -1
    review_rev: int = -1

    @property
    def status(self) -> RunStatus:
        return status_of(self.generator, self.review)

    @property
    def is_decided(self) -> bool:
        """An accepted one may still fail to commit."""
        return self.review in _DECIDED or self.generator in _FINAL

    @property
    def awaits_person(self) -> bool:
        """Both sides have spoken: there is something to see, and a review with its deadline is open."""
        return self.generator is GeneratorState.PREVIEW_READY and self.review is ReviewState.OPEN

    def apply_generator(self, generator: GeneratorState, rev: int) -> RunState:
        """Unchanged if this is old news."""
        if rev <= self.run_rev or self.generator in _FINAL:
            return self
        heard = replace(self, generator=generator, run_rev=rev)
        if generator is GeneratorState.COMPLETE and heard.review is not ReviewState.ACCEPTED:
            return heard.with_acceptance()
        return heard

    def with_acceptance(self) -> RunState:
        """Nothing is committed unaccepted: after `complete` the word of review is merely on its way."""
        return replace(self, review=ReviewState.ACCEPTED)

    def apply_review(self, verdict: ReviewState, rev: int) -> RunState:
        """Unchanged if this is old news; a verdict is never taken back."""
        if rev <= self.review_rev:
            return self
        if self.review in _DECIDED:
            return replace(self, review_rev=rev)
        return replace(self, review=verdict, review_rev=rev)


def review_state_of(change: ReviewChange) -> ReviewState | None:
    """None: a decision was refused, the review stays as it is."""
    match change:
        case ReviewChange.OPENED:
            return ReviewState.OPEN
        case ReviewChange.EXPIRED:
            return ReviewState.EXPIRED
        case ReviewChange.WITHDRAWN:
            return ReviewState.WITHDRAWN
        case ReviewChange.REFUSED:
            return None
        case _:
            assert_never(change)
