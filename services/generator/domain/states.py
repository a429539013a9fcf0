"""The states of a run and of a version, and every step between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RunState(StrEnum):
    """A run ends in exactly one of the last five."""

    QUEUED = "queued"
    GENERATING = "generating"
    PREVIEW_READY = "preview_ready"
    COMPLETE = "complete"
    REJECTED = "rejected"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELLED = "cancelled"


_Q, _G, _P = RunState.QUEUED, RunState.GENERATING, RunState.PREVIEW_READY

SOURCES_OF: Final[Mapping[RunState, frozenset[RunState]]] = {
    RunState.QUEUED: frozenset(),
    RunState.GENERATING: frozenset({_Q, _G}),  # again after a crash or for the next attempt
    RunState.PREVIEW_READY: frozenset({_Q, _G}),  # from queued: an existing version is offered, nothing is made
    RunState.COMPLETE: frozenset({_P}),
    RunState.REJECTED: frozenset({_P}),
    RunState.EXPIRED: frozenset({_P}),
    RunState.FAILED: frozenset({_Q, _G, _P}),  # from preview_ready: superseded by another commit
    RunState.CANCELLED: frozenset({_Q, _G, _P}),  # from preview_ready: its asset was deleted
}
"""What may become a state. Every UPDATE of a run's state names these in its WHERE: no other row is touched."""

WORKING: Final = frozenset({_Q, _G})
ACTIVE: Final = frozenset({_Q, _G, _P})
TERMINAL: Final = frozenset(RunState) - ACTIVE


def may_become(state: RunState, target: RunState) -> bool:
    return state in SOURCES_OF[target]


class VersionStatus(StrEnum):
    """What was decided about a version last. `accepted` is never lost: it decides what is kept for how long."""

    CANDIDATE = "candidate"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NOT_CHOSEN = "not_chosen"
    DISCARDED = "discarded"  # its run failed, was cancelled or superseded before anyone could accept it


def outcome_of_candidate(state: RunState) -> VersionStatus:
    """What a run's end says about its candidates (other than one that was accepted)."""
    match state:
        case RunState.REJECTED:
            return VersionStatus.REJECTED
        case RunState.EXPIRED | RunState.FAILED:
            return VersionStatus.EXPIRED  # superseded: reopened like one that nobody decided about
        case RunState.COMPLETE:
            return VersionStatus.NOT_CHOSEN
        case RunState.CANCELLED:
            return VersionStatus.DISCARDED
        case RunState.QUEUED | RunState.GENERATING | RunState.PREVIEW_READY:
            return VersionStatus.CANDIDATE
