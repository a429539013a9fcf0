"""Runs. The generator and the review service each report their own side of a run, in any order; together these make
one status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, assert_never

from services.gateway.domain.messages import Message
from services.gateway.domain.run_parameters import RunParameters
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.events.review import ReviewChange
from shared.contracts.values import Actor, AssetKind, ParentReason, RunSource


class GeneratorState(StrEnum):
    """What the generator reports of a run, in the order in which it can happen."""

    REQUESTED = "requested"
    QUEUED = "queued"
    GENERATING = "generating"
    PREVIEW_READY = "preview_ready"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ReviewState(StrEnum):
    """What the review service reports of a run."""

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
"""The statuses at which `Prefer: wait` stops waiting."""

_FINAL: Final = frozenset({GeneratorState.COMPLETE, GeneratorState.FAILED, GeneratorState.CANCELLED})
_DECIDED: Final = frozenset({ReviewState.ACCEPTED, ReviewState.REJECTED, ReviewState.EXPIRED, ReviewState.WITHDRAWN})


def status_of(generator: GeneratorState, review: ReviewState) -> RunStatus:
    """A terminal state of the generator outranks every review state; a closed review outranks the rest."""
    if generator in _FINAL:
        return RunStatus(generator)
    match review:
        case ReviewState.ACCEPTED | ReviewState.REJECTED | ReviewState.EXPIRED:
            return RunStatus(review)
        case ReviewState.WITHDRAWN:  # its asset was deleted
            return RunStatus.CANCELLED
        case ReviewState.NONE | ReviewState.OPEN:
            return RunStatus(generator)
        case _:
            assert_never(review)


@dataclass(frozen=True)
class RunState:
    """The latest state that each of the two owners reported, with the revision that came with it."""

    generator: GeneratorState = GeneratorState.REQUESTED
    review: ReviewState = ReviewState.NONE
    run_rev: int = -1
    review_rev: int = -1

    @property
    def status(self) -> RunStatus:
        return status_of(self.generator, self.review)

    @property
    def is_decided(self) -> bool:
        """No decision can change it any more. An accepted run may still fail to commit."""
        return self.review in _DECIDED or self.generator in _FINAL

    @property
    def awaits_person(self) -> bool:
        """Both owners have reported: there is a preview to look at, and its review is open."""
        return self.generator is GeneratorState.PREVIEW_READY and self.review is ReviewState.OPEN

    def apply_generator(self, reported: GeneratorState, rev: int) -> RunState:
        """Unchanged if the report is older than what is known, or if the run has ended."""
        if rev <= self.run_rev or self.generator in _FINAL:
            return self
        state = replace(self, generator=reported, run_rev=rev)
        if reported is GeneratorState.COMPLETE and state.review is not ReviewState.ACCEPTED:
            return state.with_acceptance()
        return state

    def with_acceptance(self) -> RunState:
        """Only accepted versions are committed: after `complete`, the review's `accepted` is merely late."""
        return replace(self, review=ReviewState.ACCEPTED)

    def apply_review(self, reported: ReviewState, rev: int) -> RunState:
        """Unchanged if the report is older than what is known; a closed review stays as it is."""
        if rev <= self.review_rev:
            return self
        if self.review in _DECIDED:
            return replace(self, review_rev=rev)
        return replace(self, review=reported, review_rev=rev)


def review_state_of(change: ReviewChange) -> ReviewState | None:
    """None: a decision was refused, so the review stays as it is."""
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


@dataclass(frozen=True)
class Run:
    """A run, with the facts about its asset, segment and batch that commands and projections need.

    A held run waits for the decision on its parent and has not been sent to the generator yet.
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
    held_run_id: str | None
    """The held run that waits for the decision on this one."""
    live_batch_id: str | None
    """The batch that is running in the episode now, whether or not this run belongs to it."""
    asset_revision: int
    asset_committed: bool
    asset_draft: Mapping[str, Any] | None

    @property
    def status(self) -> RunStatus:
        return self.state.status

    @property
    def parameters(self) -> RunParameters:
        return RunParameters.from_overrides(self.request.overrides)

    def announces_preview(self, state: RunState) -> bool:
        """Whether clients hear of the preview when the run enters this state: once, and only if a person can decide."""
        return state.awaits_person and not self.announced and not self.auto_approve

    def accepted(self, state: RunState, at: datetime, version_id: str) -> Run:
        """The run as it was saved when it was accepted."""
        return replace(self, state=state, updated_at=at, version_id=version_id, held_run_id=None)


@dataclass(frozen=True)
class NewRun:
    """`request` is published now or, for a held run, once its parent is decided. `at`: when the run was created."""

    request: RegenerateRequested
    project_id: str
    number: int
    at: datetime
    message: Message
    held: bool = False
    import_id: str | None = None
    changes: Mapping[str, Any] | None = None
    draft_revision: int = 0
