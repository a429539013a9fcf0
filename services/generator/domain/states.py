"""The states of runs and versions, and the transitions between them."""

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
    RunState.GENERATING: frozenset({_Q, _G}),  # generating again after a crash or for the next attempt
    RunState.PREVIEW_READY: frozenset({_Q, _G}),  # from queued: an existing version is offered
    RunState.COMPLETE: frozenset({_P}),
    RunState.REJECTED: frozenset({_P}),
    RunState.EXPIRED: frozenset({_P}),
    RunState.FAILED: frozenset({_Q, _G, _P}),  # from preview_ready: superseded by another commit
    RunState.CANCELLED: frozenset({_Q, _G, _P}),  # from preview_ready: its asset was deleted
}
"""The states from which a state may be entered. Every UPDATE of a run's state has them in its WHERE clause."""

WORKING: Final = frozenset({_Q, _G})
ACTIVE: Final = frozenset({_Q, _G, _P})
TERMINAL: Final = frozenset(RunState) - ACTIVE


def may_become(state: RunState, target: RunState) -> bool:
    return state in SOURCES_OF[target]


class VersionStatus(StrEnum):
    """The last decision about a version. `accepted` is never overwritten, because retention depends on it."""

    CANDIDATE = "candidate"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NOT_CHOSEN = "not_chosen"
    DISCARDED = "discarded"  # its run failed, was cancelled or superseded before anyone could accept it


def outcome_of_candidate(state: RunState) -> VersionStatus:
    """The status of a run's candidates, other than an accepted one, after the run has ended."""
    match state:
        case RunState.REJECTED:
            return VersionStatus.REJECTED
        case RunState.EXPIRED | RunState.FAILED:
            return VersionStatus.EXPIRED  # a superseded candidate can be reopened like one whose review expired
        case RunState.COMPLETE:
            return VersionStatus.NOT_CHOSEN
        case RunState.CANCELLED:
            return VersionStatus.DISCARDED
        case RunState.QUEUED | RunState.GENERATING | RunState.PREVIEW_READY:
            return VersionStatus.CANDIDATE
