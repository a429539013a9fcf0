"""A run as clients see it: what the generator says and what review says, heard in any order, make one status."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, assert_never

from shared.contracts.events.review import ReviewChange


class Made(StrEnum):
    """What the generator says of a run, in the order in which it can happen."""

    REQUESTED = "requested"
    QUEUED = "queued"
    GENERATING = "generating"
    PREVIEW_READY = "preview_ready"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Verdict(StrEnum):
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

_FINAL: Final = frozenset({Made.COMPLETE, Made.FAILED, Made.CANCELLED})
_DECIDED: Final = frozenset({Verdict.ACCEPTED, Verdict.REJECTED, Verdict.EXPIRED, Verdict.WITHDRAWN})


def status_of(made: Made, verdict: Verdict) -> RunStatus:
    """The generator's terminal states beat any verdict; a verdict beats what came before it."""
    if made in _FINAL:
        return RunStatus(made)
    match verdict:
        case Verdict.ACCEPTED | Verdict.REJECTED | Verdict.EXPIRED:
            return RunStatus(verdict)
        case Verdict.WITHDRAWN:  # its asset was deleted
            return RunStatus.CANCELLED
        case Verdict.NONE | Verdict.OPEN:
            return RunStatus(made)
        case _:
            assert_never(verdict)


@dataclass(frozen=True)
class Track:
    """Where a run stands: the newest word of either owner, and the counter that came with it."""

    made: Made = Made.REQUESTED
    verdict: Verdict = Verdict.NONE
    run_rev: int = -1
    review_rev: int = -1

    @property
    def status(self) -> RunStatus:
        return status_of(self.made, self.verdict)

    @property
    def is_decided(self) -> bool:
        """An accepted one may still fail to commit."""
        return self.verdict in _DECIDED or self.made in _FINAL

    @property
    def awaits_person(self) -> bool:
        """Both sides have spoken: there is something to see, and a review with its deadline is open."""
        return self.made is Made.PREVIEW_READY and self.verdict is Verdict.OPEN

    def hear_generator(self, made: Made, rev: int) -> Track:
        """Unchanged if this is old news."""
        if rev <= self.run_rev or self.made in _FINAL:
            return self
        heard = replace(self, made=made, run_rev=rev)
        if made is Made.COMPLETE and heard.verdict is not Verdict.ACCEPTED:
            return heard.taken_as_accepted()
        return heard

    def taken_as_accepted(self) -> Track:
        """Nothing is committed unaccepted: after `complete` the word of review is merely on its way."""
        return replace(self, verdict=Verdict.ACCEPTED)

    def hear_review(self, verdict: Verdict, rev: int) -> Track:
        """Unchanged if this is old news; a verdict is never taken back."""
        if rev <= self.review_rev:
            return self
        if self.verdict in _DECIDED:
            return replace(self, review_rev=rev)
        return replace(self, verdict=verdict, review_rev=rev)


def verdict_of(change: ReviewChange) -> Verdict | None:
    """None: a decision was refused, the review stays as it is."""
    match change:
        case ReviewChange.OPENED:
            return Verdict.OPEN
        case ReviewChange.EXPIRED:
            return Verdict.EXPIRED
        case ReviewChange.WITHDRAWN:
            return Verdict.WITHDRAWN
        case ReviewChange.REFUSED:
            return None
        case _:
            assert_never(change)


class VersionStatus(StrEnum):
    PREVIEW = "preview"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NOT_CHOSEN = "not_chosen"


def version_status(track: Track, *, chosen: bool) -> VersionStatus:
    """What a candidate of a run is; `chosen`: it is the one that was accepted."""
    match track.status:
        case RunStatus.ACCEPTED | RunStatus.COMPLETE:
            return VersionStatus.ACCEPTED if chosen else VersionStatus.NOT_CHOSEN
        case RunStatus.REJECTED:
            return VersionStatus.REJECTED
        case RunStatus.EXPIRED | RunStatus.FAILED | RunStatus.CANCELLED:
            return VersionStatus.EXPIRED
        case RunStatus.REQUESTED | RunStatus.QUEUED | RunStatus.GENERATING | RunStatus.PREVIEW_READY:
            return VersionStatus.PREVIEW
        case other:
            assert_never(other)
