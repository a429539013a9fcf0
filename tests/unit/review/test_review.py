"""The pure rules: which decisions count, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.review.domain.reviews import Review, deadline_of, outcome, refusal
from shared.contracts.events.gateway import DecisionAction, DecisionSubmitted
from shared.contracts.events.review import RefusalReason, ReviewState
from shared.contracts.values import Actor, AssetKind, Ref

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REF = Ref(run_id="r", asset_id="a", asset_kind=AssetKind.VIDEO, episode_id="e")

reviews = st.builds(
    Review,
    ref=st.just(REF),
    state=st.sampled_from(ReviewState),
    candidates=st.lists(st.sampled_from("vwx"), min_size=1, max_size=3, unique=True).map(tuple),
    opened_at=st.just(NOW),
    deadline=st.none() | st.integers(-100, 100).map(lambda s: NOW + timedelta(seconds=s)),
    rev=st.just(1),
)
decisions = st.builds(
    DecisionSubmitted,
    run_id=st.just("r"),
    asset_id=st.sampled_from(["a", "b"]),
    asset_kind=st.just(AssetKind.VIDEO),
    episode_id=st.just("e"),
    decision_id=st.just("d"),
    version_id=st.sampled_from("vwxyz"),
    action=st.sampled_from(DecisionAction),
    submitted_at=st.just(NOW),
    actor=st.just(Actor(kind="user", user_id="u")),
)


@given(reviews, decisions)
def test_a_decision_counts_only_if_open_its_own_and_in_time(review: Review, decision: DecisionSubmitted) -> None:
    counts = (
        review.state is ReviewState.OPEN
        and decision.asset_id == "a"
        and decision.version_id in review.candidates
        and (review.deadline is None or decision.submitted_at <= review.deadline)
    )
    assert (refusal(review, decision) is None) == counts


@given(reviews, decisions)
def test_a_closed_review_says_how_it_closed(review: Review, decision: DecisionSubmitted) -> None:
    if decision.asset_id != "a":
        assert refusal(review, decision) is RefusalReason.FOREIGN
    elif review.state in (ReviewState.ACCEPTED, ReviewState.REJECTED):
        assert refusal(review, decision) is RefusalReason.ALREADY_DECIDED
    elif review.state is ReviewState.EXPIRED:
        assert refusal(review, decision) is RefusalReason.EXPIRED
    elif review.state is ReviewState.WITHDRAWN:
        assert refusal(review, decision) is RefusalReason.WITHDRAWN


def test_only_an_approval_accepts() -> None:
    assert {a: outcome(a) for a in DecisionAction} == {
        DecisionAction.APPROVE: ReviewState.ACCEPTED,
        DecisionAction.REJECT: ReviewState.REJECTED,
        DecisionAction.REQUEST_REGENERATION: ReviewState.REJECTED,
    }


def test_the_deadline_is_the_opening_plus_the_timeout_or_never() -> None:
    assert deadline_of(NOW, 1800) == NOW + timedelta(minutes=30)
    assert deadline_of(NOW, None) is None
