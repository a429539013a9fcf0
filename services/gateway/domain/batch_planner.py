"""The batch planner: from the current rows it derives each item's state, the runs to start next, and what clients see.

It has no memory: the same rows give the same plan, so any event may call it, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, assert_never

from services.gateway.domain.batches import BatchCounts, BatchPolicy, BatchStatus
from services.gateway.domain.runs import CANCELLABLE, RunStatus
from services.gateway.domain.segments import SegmentState, count_segments, segment_state
from shared.contracts.messages import ProblemText, problem_text
from shared.contracts.values import AssetKind

UNTOUCHED: Final = segment_state(None)


class ItemState(StrEnum):
    """The state of one asset of the batch.

    `held`: it was rejected; the batch waits until another version is accepted or the segment is skipped. `left`: it, or
    the asset that it builds on, failed, expired or was cancelled. `nothing`: it has no directions, and the film does
    not need it.
    """

    PENDING = "pending"
    RUNNING = "running"
    WAITING_REVIEW = "waiting_review"
    HELD = "held"
    DONE = "done"
    SKIPPED = "skipped"
    LEFT = "left"
    DELETED = "deleted"
    NOTHING = "nothing"

    @property
    def is_settled(self) -> bool:
        return self in (ItemState.DONE, ItemState.SKIPPED, ItemState.LEFT, ItemState.DELETED, ItemState.NOTHING)


Problem = Mapping[str, Any]
"""{code, cause, recovery}"""


def item_problem(code: str, text: ProblemText) -> Problem:
    """Why an item of a batch was left."""
    return {"code": code, **text._asdict()}


EXPIRED: Final = "expired"
"""The code of the problem of an asset whose preview, or that of the asset before it, has expired."""
NO_IMAGE: Final = item_problem("starting_image_missing", problem_text("batch_starting_image_missing"))
NO_DIRECTIONS: Final = item_problem("directions_missing", problem_text("batch_directions_missing"))
IMAGE_LEFT: Final = item_problem("starting_image_missing", problem_text("batch_starting_image_failed"))
VIDEO_LEFT: Final = item_problem("video_missing", problem_text("batch_video_failed"))
IMAGE_EXPIRED: Final = item_problem(EXPIRED, problem_text("batch_starting_image_expired"))
VIDEO_EXPIRED: Final = item_problem(EXPIRED, problem_text("batch_video_expired"))


@dataclass(frozen=True)
class SlotRun:
    """The newest run of an asset that is active, or ended since the batch began."""

    run_id: str
    status: RunStatus
    auto_approve: bool = False
    problem: Problem | None = None

    @property
    def is_at_work(self) -> bool:
        """It continues without a person, so it counts as active even if its segment is skipped meanwhile."""
        if self.status is RunStatus.PREVIEW_READY:
            return self.auto_approve
        return self.status in CANCELLABLE or self.status in (RunStatus.ACCEPTED, RunStatus.COMPLETE)


@dataclass(frozen=True)
class Slot:
    """An asset of the batch, as its rows show it. `refused`: why its last run was not admitted."""

    asset_id: str
    kind: AssetKind
    committed: bool = False
    has_text: bool = True
    skipped: bool = False
    run: SlotRun | None = None
    refused: Problem | None = None


@dataclass(frozen=True)
class SegmentSlots:
    """One segment; None: that asset was deleted. `shown`: its status as clients see it."""

    segment_id: str
    number: int
    starting_image: Slot | None
    video: Slot | None
    narration: Slot | None
    shown: SegmentState = UNTOUCHED


@dataclass(frozen=True)
class Item:
    """`dependent`: it was left because of the asset that it builds on."""

    state: ItemState
    run_id: str | None = None
    problem: Problem | None = None
    dependent: bool = False


@dataclass(frozen=True)
class NamedItem:
    """An item that needs a person. `number` of its segment; None: the episode's music."""

    number: int | None
    kind: AssetKind
    problem: Problem | None


@dataclass(frozen=True)
class BatchPlan:
    """`start`: the assets whose runs are to be admitted now, in order. `held`: what was rejected. `left`: what was left
    because of itself, not of the asset before it. `failed_segments`: the numbers of the segments whose video was left.
    """

    status: BatchStatus
    items: Mapping[str, Item] = field(default_factory=dict)
    start: tuple[str, ...] = ()
    counts: BatchCounts = field(default_factory=BatchCounts)
    held: tuple[NamedItem, ...] = ()
    left: tuple[NamedItem, ...] = ()
    failed_segments: tuple[int, ...] = ()

    @property
    def waits_for_review(self) -> bool:
        return any(item.state is ItemState.WAITING_REVIEW for item in self.items.values())


def plan_batch(
    policy: BatchPolicy, segments: Sequence[SegmentSlots], music: Slot | None, *, paused: bool = False
) -> BatchPlan:
    """`segments`: those of the batch that still exist, in film order."""
    items: dict[str, Item] = {}
    videos: dict[str, Item] = {}
    for segment in segments:
        items |= (of_segment := _segment_items(segment))
        videos[segment.segment_id] = of_segment[segment.video.asset_id] if segment.video else Item(ItemState.DELETED)
    if music:
        items[music.asset_id] = _optional(music)
    ready = _ready(policy, segments, music, items, videos)
    generating = sum(item.state is ItemState.RUNNING for item in items.values())
    start = () if paused else _allowed(policy, ready, generating)
    status = _status(items.values(), bool(ready), paused)
    return BatchPlan(
        status,
        items,
        start,
        _counts(segments, videos),
        held=_named(segments, music, items, ItemState.HELD),
        left=_named(segments, music, items, ItemState.LEFT),
        failed_segments=tuple(s.number for s in segments if videos[s.segment_id].state is ItemState.LEFT),
    )


def _named(
    segments: Sequence[SegmentSlots], music: Slot | None, items: Mapping[str, Item], state: ItemState
) -> tuple[NamedItem, ...]:
    """In film order."""
    slots = [(s.number, slot) for s in segments for slot in (s.starting_image, s.video, s.narration)]
    return tuple(
        NamedItem(number, slot.kind, item.problem)
        for number, slot in [*slots, (None, music)]
        if slot and (item := items[slot.asset_id]).state is state and not item.dependent
    )


def _segment_items(segment: SegmentSlots) -> dict[str, Item]:
    """Each asset builds on the one before it: starting image, video, narration."""
    items: dict[str, Item] = {}
    image: Item | None = None
    video: Item | None = None
    if segment.starting_image:
        image = items[segment.starting_image.asset_id] = _starting_image(segment.starting_image, segment.video)
    if segment.video:
        video = items[segment.video.asset_id] = _after(
            segment.video, _video(segment.video), image, IMAGE_LEFT, IMAGE_EXPIRED
        )
    if segment.narration:
        narration = _optional(segment.narration)
        items[segment.narration.asset_id] = _after(segment.narration, narration, video, VIDEO_LEFT, VIDEO_EXPIRED)
    return items


def _item(slot: Slot) -> Item:
    """The state of an asset, regardless of the others."""
    run = slot.run
    run_id = run.run_id if run else None
    committing = run is not None and run.status is RunStatus.ACCEPTED  # a newer version is about to be committed
    if slot.committed and not committing:
        return Item(ItemState.DONE, run_id)
    if slot.skipped and not (run and run.is_at_work):
        return Item(ItemState.SKIPPED, run_id)
    if run is None:
        return Item(ItemState.LEFT, None, slot.refused) if slot.refused else Item(ItemState.PENDING)
    match run.status:
        case RunStatus.REQUESTED | RunStatus.QUEUED | RunStatus.GENERATING | RunStatus.ACCEPTED | RunStatus.COMPLETE:
            return Item(ItemState.RUNNING, run_id)  # complete, but not committed here yet: the event is on its way
        case RunStatus.PREVIEW_READY:
            return Item(ItemState.RUNNING if run.auto_approve else ItemState.WAITING_REVIEW, run_id)
        case RunStatus.REJECTED:
            return Item(ItemState.HELD, run_id)
        case RunStatus.FAILED | RunStatus.EXPIRED | RunStatus.CANCELLED:
            return Item(ItemState.LEFT, run_id, run.problem)
        case _:
            assert_never(run.status)


def _starting_image(slot: Slot, video: Slot | None) -> Item:
    item = _item(slot)
    if item.state is not ItemState.PENDING:
        return item
    if video is not None and (video.committed or video.skipped):
        return Item(ItemState.NOTHING)  # no video is going to be generated from it
    return item if slot.has_text else Item(ItemState.LEFT, None, NO_IMAGE)


def _video(slot: Slot) -> Item:
    item = _item(slot)
    missing = item.state is ItemState.PENDING and not slot.has_text
    return Item(ItemState.LEFT, None, NO_DIRECTIONS) if missing else item


def _optional(slot: Slot) -> Item:
    item = _item(slot)
    missing = item.state is ItemState.PENDING and not slot.has_text
    return Item(ItemState.NOTHING) if missing else item


def _after(slot: Slot, item: Item, before: Item | None, problem: Problem, expired: Problem) -> Item:
    """A pending item is left too if the one before it is left, skipped or deleted. `problem`: why; `expired`: why, if
    the preview of the one before it has expired."""
    if item.state is not ItemState.PENDING or (before and before.state is ItemState.DONE):
        return item
    if before is None or before.state.is_settled:
        skipped = before is not None and before.state is ItemState.SKIPPED and slot.kind is AssetKind.NARRATION
        if skipped:
            return Item(ItemState.SKIPPED)
        is_expired = before is not None and before.problem is not None and before.problem["code"] == EXPIRED
        is_left = before is not None and before.state is ItemState.LEFT
        return Item(ItemState.LEFT, None, expired if is_expired else problem, dependent=is_left)
    return item


def _ready(
    policy: BatchPolicy,
    segments: Sequence[SegmentSlots],
    music: Slot | None,
    items: Mapping[str, Item],
    videos: Mapping[str, Item],
) -> list[str]:
    """The assets that may start now, in the order in which they should start."""
    ready: list[str] = []
    for segment in segments:
        ready += [slot.asset_id for slot in _next_of(segment, items)]
        if policy.mode == "sequential" and not videos[segment.segment_id].state.is_settled:
            break  # the next segment starts when the video of this one is settled
    if music and items[music.asset_id].state is ItemState.PENDING:
        ready.append(music.asset_id)
    return ready


def _next_of(segment: SegmentSlots, items: Mapping[str, Item]) -> list[Slot]:
    """The segment's first pending asset, if the assets before it are settled."""
    for slot in (segment.starting_image, segment.video, segment.narration):
        if slot is None:
            continue
        match items[slot.asset_id].state:
            case ItemState.PENDING:
                return [slot]
            case state if not state.is_settled:
                return []
            case _:
                continue
    return []


def _allowed(policy: BatchPolicy, ready: list[str], generating: int) -> tuple[str, ...]:
    """A parallel batch has at most `batch_size` active runs; previews that wait for a person do not count."""
    if policy.mode == "sequential":
        return tuple(ready)
    return tuple(ready[: max(0, policy.batch_size - generating)])


def _status(items: Iterable[Item], ready: bool, paused: bool) -> BatchStatus:
    states = [item.state for item in items]
    if paused:
        return BatchStatus.PAUSED
    if all(state.is_settled for state in states):
        return BatchStatus.FAILED if ItemState.LEFT in states else BatchStatus.COMPLETED
    if ready or ItemState.RUNNING in states:
        return BatchStatus.RUNNING
    return BatchStatus.WAITING_REVIEW


def _counts(segments: Sequence[SegmentSlots], videos: Mapping[str, Item]) -> BatchCounts:
    """Completed and approved as the status of the segments shows them; failed is what the batch has left."""
    states = [(s.number, videos[s.segment_id].state, _in_work(s)) for s in segments]
    shown = count_segments([s.shown for s in segments])
    generating = next((number for number, state, busy in states if busy and state is not ItemState.DONE), None)
    waiting = next((number for number, state, _ in states if not state.is_settled), None)
    return BatchCounts(
        completed=shown.completed,
        approved=shown.approved,
        failed=sum(state is ItemState.LEFT for _, state, _ in states),
        total=len(segments),
        current_segment=generating if generating is not None else waiting,
    )


def _in_work(segment: SegmentSlots) -> bool:
    busy = (RunStatus.REQUESTED, RunStatus.QUEUED, RunStatus.GENERATING)
    slots = (segment.starting_image, segment.video)
    return any(s is not None and s.run is not None and s.run.status in busy for s in slots)
