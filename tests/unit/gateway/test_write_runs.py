"""A run's track: the same end, in whatever order its two owners are heard."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.runs import ACTIVE, TERMINAL, GeneratorState, ReviewState, RunState, RunStatus
from services.gateway.domain.segments import (
    ApprovalStatus,
    NewestRun,
    SegmentState,
    SegmentStatus,
    count_segments,
    segment_state,
)
from services.gateway.domain.versions import VersionStatus, version_status

GENERATOR = {
    "complete": [
        GeneratorState.QUEUED,
        GeneratorState.GENERATING,
        GeneratorState.PREVIEW_READY,
        GeneratorState.COMPLETE,
    ],
    "failed": [GeneratorState.QUEUED, GeneratorState.GENERATING, GeneratorState.FAILED],
    "superseded": [
        GeneratorState.QUEUED,
        GeneratorState.GENERATING,
        GeneratorState.PREVIEW_READY,
        GeneratorState.FAILED,
    ],
    "cancelled": [GeneratorState.QUEUED, GeneratorState.CANCELLED],
    "previewed": [GeneratorState.QUEUED, GeneratorState.GENERATING, GeneratorState.PREVIEW_READY],
}
REVIEW = {
    "none": [],
    "open": [ReviewState.OPEN],
    "accepted": [ReviewState.OPEN, ReviewState.ACCEPTED],
    "at once": [ReviewState.ACCEPTED],
    "rejected": [ReviewState.OPEN, ReviewState.REJECTED],
    "expired": [ReviewState.OPEN, ReviewState.EXPIRED],
    "withdrawn": [ReviewState.OPEN, ReviewState.WITHDRAWN],
}
ENDS = {
    ("complete", "accepted"): RunStatus.COMPLETE,
    ("complete", "at once"): RunStatus.COMPLETE,
    ("failed", "none"): RunStatus.FAILED,
    ("superseded", "accepted"): RunStatus.FAILED,
    ("cancelled", "none"): RunStatus.CANCELLED,
    ("previewed", "none"): RunStatus.PREVIEW_READY,
    ("previewed", "open"): RunStatus.PREVIEW_READY,
    ("previewed", "accepted"): RunStatus.ACCEPTED,
    ("previewed", "rejected"): RunStatus.REJECTED,
    ("previewed", "expired"): RunStatus.EXPIRED,
    ("previewed", "withdrawn"): RunStatus.CANCELLED,
}


@given(st.sampled_from(sorted(ENDS)), st.data())
def test_any_order_of_events_leads_to_the_same_status(story: tuple[str, str], data: st.DataObject) -> None:
    generator = [("generator", generator, rev) for rev, generator in enumerate(GENERATOR[story[0]])]
    review = [("review", verdict, rev) for rev, verdict in enumerate(REVIEW[story[1]])]
    events = [*generator, *review]
    again = data.draw(st.lists(st.sampled_from(events), max_size=4))
    state = RunState()
    for owner, word, rev in data.draw(st.permutations([*events, *again])):
        before = state
        state = state.apply_generator(word, rev) if owner == "generator" else state.apply_review(word, rev)
        if before.generator in (GeneratorState.COMPLETE, GeneratorState.FAILED, GeneratorState.CANCELLED):
            assert state.status is before.status, "what the generator ended stays ended"
    assert state.status is ENDS[story]


def test_no_status_is_neither_active_nor_terminal() -> None:
    assert set(RunStatus) == ACTIVE | TERMINAL
    assert not ACTIVE & TERMINAL


def test_a_person_is_asked_once_both_have_spoken() -> None:
    preview = RunState().apply_generator(GeneratorState.PREVIEW_READY, 3)
    assert not preview.awaits_person
    assert preview.apply_review(ReviewState.OPEN, 1).awaits_person
    assert RunState().apply_review(ReviewState.OPEN, 1).apply_generator(GeneratorState.PREVIEW_READY, 3).awaits_person
    assert not preview.apply_review(ReviewState.ACCEPTED, 2).apply_review(ReviewState.OPEN, 1).awaits_person


def test_only_the_chosen_version_is_accepted() -> None:
    accepted = RunState(GeneratorState.PREVIEW_READY, ReviewState.ACCEPTED)
    assert version_status(accepted, chosen=True) is VersionStatus.ACCEPTED
    assert version_status(accepted, chosen=False) is VersionStatus.NOT_CHOSEN
    assert version_status(RunState(GeneratorState.FAILED, ReviewState.ACCEPTED), chosen=True) is VersionStatus.EXPIRED


def test_a_segment_shows_its_newest_run() -> None:
    def say(status: RunStatus, **more: bool) -> tuple[str, str | None]:
        state = segment_state(NewestRun(status, **more))
        return state.status, state.approval_status

    assert segment_state(None) == SegmentState(SegmentStatus.PENDING, None)
    for status in (RunStatus.REQUESTED, RunStatus.QUEUED, RunStatus.GENERATING):
        assert say(status) == ("generating", None)
        assert say(status, after_rejection=True) == ("generating", "needs_revision")
    assert say(RunStatus.PREVIEW_READY, after_rejection=True) == ("completed", None)
    assert say(RunStatus.ACCEPTED) == say(RunStatus.COMPLETE) == ("completed", "approved")
    assert say(RunStatus.REJECTED) == ("completed", "rejected")
    assert say(RunStatus.REJECTED, changes_suggested=True) == ("completed", "needs_revision")
    assert say(RunStatus.FAILED) == ("failed", None)


@given(
    st.lists(
        st.sampled_from(
            [
                SegmentState(SegmentStatus.PENDING, None),
                SegmentState(SegmentStatus.GENERATING, None),
                SegmentState(SegmentStatus.GENERATING, ApprovalStatus.NEEDS_REVISION),
                SegmentState(SegmentStatus.COMPLETED, None),
                SegmentState(SegmentStatus.COMPLETED, ApprovalStatus.APPROVED),
                SegmentState(SegmentStatus.COMPLETED, ApprovalStatus.REJECTED),
                SegmentState(SegmentStatus.COMPLETED, ApprovalStatus.NEEDS_REVISION),
                SegmentState(SegmentStatus.FAILED, None),
            ]
        )
    )
)
def test_counts_add_up(segments: list[SegmentState]) -> None:
    counts = count_segments(segments)
    assert counts.total_segments == counts.completed + counts.failed + counts.pending
    assert counts.approved + counts.rejected <= counts.completed
    if counts.current_segment is None:
        assert counts.approved == len(segments)
    else:
        current = segments[counts.current_segment - 1]
        generating = [s for s in segments if s.status is SegmentStatus.GENERATING]
        assert current == generating[0] if generating else current.approval_status is not ApprovalStatus.APPROVED


def test_counts_of_the_seed() -> None:
    done = SegmentState(SegmentStatus.COMPLETED, ApprovalStatus.APPROVED)
    rest = [SegmentState(SegmentStatus.COMPLETED, None), SegmentState(SegmentStatus.GENERATING, None)] + [
        segment_state(None)
    ] * 6
    counts = count_segments([done, done, *rest])
    assert (counts.total_segments, counts.completed, counts.approved, counts.pending, counts.current_segment) == (
        10,
        3,
        2,
        7,
        4,
    )
