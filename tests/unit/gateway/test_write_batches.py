"""The batch planner: for any rows it asks for what may be made now, no more, and comes to an end."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.batch_planner import BatchPlan, ItemState, SegmentSlots, Slot, SlotRun, plan_batch
from services.gateway.domain.batches import BatchPolicy, BatchStatus
from services.gateway.domain.runs import RunStatus
from shared.contracts.values import AssetKind

KINDS = (AssetKind.STARTING_IMAGE, AssetKind.VIDEO, AssetKind.NARRATION)
PROBLEM = {"code": "x", "cause": "x", "recovery": "x"}


def slot(segment: int, kind: AssetKind, **more: object) -> Slot:
    return replace(Slot(f"{segment}.{kind}", kind), **more)


def segment(number: int, **of_kind: Slot | None) -> SegmentSlots:
    slots = {kind.value: slot(number, kind) for kind in KINDS} | of_kind
    return SegmentSlots(f"s{number}", number, slots["starting_image"], slots["video"], slots["narration"])


runs = st.none() | st.builds(SlotRun, st.just("run"), st.sampled_from(RunStatus), st.booleans(), st.just(PROBLEM))


@st.composite
def slots(draw: st.DrawFn, number: int, kind: AssetKind) -> Slot:
    run = draw(runs)
    committed = draw(st.booleans()) if run is None or run.status is not RunStatus.COMPLETE else True
    return Slot(
        f"{number}.{kind}",
        kind,
        committed,
        draw(st.booleans()),
        draw(st.booleans()),
        run,
        draw(st.none() | st.just(PROBLEM)),
    )


@st.composite
def episodes(draw: st.DrawFn) -> tuple[list[SegmentSlots], Slot | None]:
    rows = [
        SegmentSlots(f"s{n}", n, *(draw(slots(n, kind)) for kind in KINDS))
        for n in range(1, draw(st.integers(0, 4)) + 1)
    ]
    return rows, draw(st.none() | slots(0, AssetKind.MUSIC))


policies = st.builds(
    BatchPolicy,
    st.sampled_from(["sequential", "parallel"]),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["video", "all"]),
)


@given(policies, episodes(), st.booleans())
def test_whatever_the_rows_say(policy: BatchPolicy, rows: tuple[list[SegmentSlots], Slot | None], paused: bool) -> None:
    segments, music = rows
    step = plan_batch(policy, segments, music, paused=paused)
    all_slots = [s for seg in segments for s in (seg.starting_image, seg.video, seg.narration) if s]
    by_id = {s.asset_id: s for s in [*all_slots, *([music] if music else [])]}
    assert step.items.keys() == by_id.keys()
    for asset_id in step.start:
        started = by_id[asset_id]
        assert not (started.committed or started.skipped or started.run or started.refused), "only what is missing"
        assert started.has_text
    assert not (paused and step.start)
    if policy.mode == "parallel":
        generating = sum(i.state is ItemState.RUNNING for i in step.items.values())
        assert not step.start or generating + len(step.start) <= policy.batch_size
    for seg in segments:
        _builds_on_what_is_committed(seg, step)
    settled = all(i.state.is_settled for i in step.items.values())
    assert (step.status in (BatchStatus.COMPLETED, BatchStatus.FAILED)) is (settled and not paused)
    if step.status is BatchStatus.FAILED:
        assert any(i.problem for i in step.items.values())
    assert step.counts.approved <= step.counts.completed <= step.counts.total == len(segments)


def _builds_on_what_is_committed(seg: SegmentSlots, step: BatchPlan) -> None:
    assert seg.starting_image
    assert seg.video
    assert seg.narration
    if seg.video.asset_id in step.start:
        assert seg.starting_image.committed
    if seg.narration.asset_id in step.start:
        assert seg.video.committed


@given(policies, episodes())
def test_a_person_is_waited_for_only_if_nothing_else_can_be_done(
    policy: BatchPolicy, rows: tuple[list[SegmentSlots], Slot | None]
) -> None:
    step = plan_batch(policy, *rows)
    states = {i.state for i in step.items.values()}
    if step.status is BatchStatus.WAITING_REVIEW:
        assert not step.start
        assert ItemState.RUNNING not in states
        assert states & {ItemState.WAITING_REVIEW, ItemState.HELD}, "somebody can do something about it"


def test_a_video_waits_for_a_newer_starting_image_that_is_being_committed() -> None:
    image = slot(1, AssetKind.STARTING_IMAGE, committed=True, run=SlotRun("run", RunStatus.ACCEPTED))
    step = plan_batch(BatchPolicy("sequential"), [segment(1, starting_image=image)], None)
    assert (step.start, step.status, step.items[image.asset_id].state) == ((), BatchStatus.RUNNING, ItemState.RUNNING)


@given(policies, st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_batch_comes_to_an_end(policy: BatchPolicy, count: int, chance: object) -> None:
    """Whatever the runs become, the planner asks for each asset at most once and the batch ends."""
    segments = {n: segment(n) for n in range(1, count + 1)}
    music: Slot = Slot("music", AssetKind.MUSIC)
    requested: list[str] = []
    for _ in range(200):
        step = plan_batch(policy, [segments[n] for n in sorted(segments)], music)
        if step.status in (BatchStatus.COMPLETED, BatchStatus.FAILED):
            break
        current = {
            s.asset_id: s for seg in segments.values() for s in (seg.starting_image, seg.video, seg.narration) if s
        }
        current["music"] = music
        changed = {a: replace(current[a], run=SlotRun(a, RunStatus.GENERATING)) for a in step.start}
        requested += step.start
        if not changed:
            live = [
                s
                for s in current.values()
                if s.run and s.run.status in (RunStatus.GENERATING, RunStatus.PREVIEW_READY, RunStatus.REJECTED)
            ]
            assert live, "it waits for something"
            moved = chance.choice(sorted(live, key=lambda s: s.asset_id))  # type: ignore[attr-defined]
            changed = {moved.asset_id: _moved(moved, policy, chance)}
        music = changed.get("music", music)
        for n, seg in segments.items():
            segments[n] = replace(
                seg,
                starting_image=_new(seg.starting_image, changed),
                video=_new(seg.video, changed),
                narration=_new(seg.narration, changed),
            )
    else:
        raise AssertionError("it never ends")
    assert len(requested) == len(set(requested))


def _new(old: Slot | None, changed: dict[str, Slot]) -> Slot | None:
    return changed.get(old.asset_id, old) if old else None


def _moved(old: Slot, policy: BatchPolicy, chance: object) -> Slot:
    assert old.run
    if old.run.status is RunStatus.GENERATING:
        if policy.approves(old.kind):
            end = chance.choice(["done", RunStatus.FAILED])  # type: ignore[attr-defined]
        else:
            end = chance.choice([RunStatus.PREVIEW_READY, RunStatus.FAILED])  # type: ignore[attr-defined]
    elif old.run.status is RunStatus.PREVIEW_READY:
        end = chance.choice(["done", RunStatus.REJECTED, RunStatus.EXPIRED])  # type: ignore[attr-defined]
    else:
        end = chance.choice(["done", "skipped"])  # type: ignore[attr-defined]
    if end == "done":
        return replace(old, committed=True, run=replace(old.run, status=RunStatus.COMPLETE))
    if end == "skipped":
        return replace(old, skipped=True)
    return replace(old, run=replace(old.run, status=end, problem=PROBLEM))


def done(number: int, kind: AssetKind) -> Slot:
    return slot(number, kind, committed=True)


def test_sequential_waits_for_the_video_and_narrates_beside_the_next() -> None:
    waiting = slot(1, AssetKind.VIDEO, run=SlotRun("r", RunStatus.PREVIEW_READY))
    first = segment(1, starting_image=done(1, AssetKind.STARTING_IMAGE), video=waiting)
    policy = BatchPolicy("sequential")
    step = plan_batch(policy, [first, segment(2)], None)
    assert (step.start, step.status, step.counts.current_segment) == ((), BatchStatus.WAITING_REVIEW, 1)
    step = plan_batch(policy, [replace(first, video=done(1, AssetKind.VIDEO)), segment(2)], None)
    assert step.start == ("1.narration", "2.starting_image")
    assert step.counts.current_segment == 2


def test_music_is_made_once_it_has_directions() -> None:
    music = Slot("music", AssetKind.MUSIC, has_text=False)
    assert plan_batch(BatchPolicy("sequential"), [], music).status is BatchStatus.COMPLETED
    assert plan_batch(BatchPolicy("sequential"), [], replace(music, has_text=True)).start == ("music",)


def test_policy_decides_what_waits_for_a_person() -> None:
    assert [k for k in AssetKind if not BatchPolicy("sequential").approves(k)] == [AssetKind.VIDEO]
    assert not any(BatchPolicy("sequential", review="all").approves(k) for k in AssetKind)
    assert all(BatchPolicy("sequential", auto_approve=True, review="all").approves(k) for k in AssetKind)
