"""Add, change, delete and reorder the segments of an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.gateway.commands.accounts import check_storage
from services.gateway.commands.stream_events import changed_event
from services.gateway.commands.timeline import publish_timeline
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import KINDS_OF_A_SEGMENT, NewAsset, asset_label, draft_of
from services.gateway.domain.documents import SegmentPlan, parse_segment
from services.gateway.domain.episodes import MAX_SEGMENTS, Episode
from services.gateway.domain.errors import Refusal, check_revision, invalid, invalid_state, not_found
from services.gateway.domain.segments import NewSegment, Segment
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import problem_text
from shared.contracts.retention import RESTORABLE
from shared.contracts.values import AssetKind

MAX_NOTES: Final = 4000  # characters


def segment_assets(store: Store, number: int, drafts: Mapping[AssetKind, str]) -> list[NewAsset]:
    """A segment has one asset of each of its kinds for as long as it exists."""
    return [
        NewAsset(store.new_id(), kind, asset_label(kind, number), draft_of(drafts.get(kind)))
        for kind in KINDS_OF_A_SEGMENT
    ]


def new_segment(store: Store, number: int, plan: SegmentPlan, notes: str = "") -> NewSegment:
    after = plan.transition_after.model_dump(mode="json") if plan.transition_after else None
    return NewSegment(
        segment_id=store.new_id(),
        number=number,
        type=plan.type,
        scene_info=plan.scene_info,
        duration=plan.duration,
        transition_after=after,
        scene_id=plan.scene_id,
        shot_id=plan.shot_id,
        style=plan.style,
        characters=plan.characters,
        user_notes=notes,
        assets=tuple(segment_assets(store, number, plan.directions)),
    )


@dataclass(frozen=True)
class AddSegment:
    """`position` counts from 1; None: at the end. `directions` by kind of asset."""

    type: str
    scene_info: Mapping[str, Any] = field(default_factory=dict)
    duration: float | None = None
    position: int | None = None
    directions: Mapping[str, str] = field(default_factory=dict)
    transition_after: Mapping[str, Any] | None = None
    user_notes: str = ""
    scene_id: str | None = None
    shot_id: str | None = None
    style: str | None = None
    characters: str | None = None


async def add_segment(store: Store, caller: Caller, episode_id: str, command: AddSegment) -> str:
    """Returns the segment's id. Raises Refusal not-found, invalid."""
    episode = caller.owned(await store.episodes.lock(episode_id), "episode")
    plan = parse_segment(
        {
            "type": command.type,
            "scene_info": dict(command.scene_info),
            "duration": command.duration,
            "directions": dict(command.directions),
            "transition_after": command.transition_after,
            "scene_id": command.scene_id,
            "shot_id": command.shot_id,
            "style": command.style,
            "characters": command.characters,
        }
    )
    _check_notes(command.user_notes)
    order = await store.episodes.segment_ids(episode_id)
    if len(order) >= MAX_SEGMENTS:
        raise invalid(("/position", f"The episode already has {MAX_SEGMENTS} segments, which is the maximum"))
    position = len(order) + 1 if command.position is None else command.position
    if not 1 <= position <= len(order) + 1:
        raise invalid(("/position", f"must be from 1 to {len(order) + 1}"))
    now, segment = store.now(), new_segment(store, len(order) + 1, plan, command.user_notes)
    await store.episodes.insert_segments(episode, [segment], now)
    order.insert(position - 1, segment.segment_id)
    if position < len(order):
        await store.episodes.number_segments(episode_id, order, now)
    await store.episodes.save(episode_id, now, order_revision=episode.order_revision + 1)
    await store.episodes.add_revision(
        episode_id, "segment_added", caller.actor, {"segment_id": segment.segment_id}, now
    )
    await publish_timeline(store, episode)
    await store.log(changed_event(caller, episode_id, "segment", segment.segment_id, now))
    return segment.segment_id


async def _lock_segment(store: Store, caller: Caller, segment_id: str) -> tuple[Episode, Segment]:
    """Locks the episode, and reads the segment again as it is then. Raises Refusal not-found."""
    unlocked = await store.episodes.segment(segment_id)
    episode = await store.episodes.lock(unlocked.episode_id) if unlocked else None
    segment = caller.owned(await store.episodes.segment(segment_id), "segment")
    if episode is None:
        raise not_found("segment")
    return episode, segment


async def change_segment(
    store: Store, caller: Caller, segment_id: str, revision: int | None, changes: Mapping[str, Any]
) -> None:
    """`changes`: type, scene_info (merged), duration, user_notes, transition_after, scene_id, shot_id, style,
    characters. The segment's assets and their versions stay. Raises Refusal not-found, stale, invalid."""
    episode, segment = await _lock_segment(store, caller, segment_id)
    check_revision(revision, segment.revision)
    now = store.now()
    fields = _columns(segment.scene_info, changes)
    await store.episodes.save_segment(segment_id, now, revision=segment.revision + 1, **fields)
    if {"type", "transition_after"} & fields.keys():
        await publish_timeline(store, episode)
    await store.log(changed_event(caller, segment.episode_id, "segment", segment_id, now))


def _check_notes(notes: Any) -> None:
    if notes is not None and (not isinstance(notes, str) or len(notes) > MAX_NOTES):
        raise invalid(("/user_notes", f"must be a string of at most {MAX_NOTES} characters"))


def _columns(scene_info: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The columns to write, checked. Raises Refusal invalid."""
    sent = dict(changes)
    notes = sent.pop("user_notes", None)
    _check_notes(notes)
    if sent.get("scene_info") is not None:
        sent["scene_info"] = {**scene_info, **sent["scene_info"]}
    plan = parse_segment(sent)
    fields: dict[str, Any] = {} if "user_notes" not in changes else {"user_notes": notes or ""}
    if "type" in sent:
        fields["type"] = plan.type.value
    if "scene_info" in sent:
        fields["scene_info"] = plan.scene_info
    if "duration" in sent:
        fields["duration"] = plan.duration
    fields |= {name: getattr(plan, name) for name in ("scene_id", "shot_id", "style", "characters") if name in sent}
    if "transition_after" in sent:
        after = plan.transition_after
        fields["transition_after"] = after.model_dump(mode="json") if after else None
    return fields


async def delete_segment(store: Store, caller: Caller, segment_id: str) -> None:
    """Deletes the segment with its assets; the segments after it move up. Raises Refusal not-found."""
    episode, _ = await _lock_segment(store, caller, segment_id)
    now = store.now()
    assets = await store.episodes.delete_segment(segment_id, now)
    order = await store.episodes.segment_ids(episode.episode_id)
    await store.episodes.number_segments(episode.episode_id, order, now)
    await store.episodes.save(episode.episode_id, now, order_revision=episode.order_revision + 1)
    await store.episodes.add_revision(
        episode.episode_id, "segment_deleted", caller.actor, {"segment_id": segment_id}, now
    )
    await publish_timeline(store, episode, deleted_asset_ids=assets)
    await store.log(changed_event(caller, episode.episode_id, "segment", segment_id, now, deleted=True))
    if batch_id := await store.batches.live_batch(episode.episode_id):
        await store.wake_batch(batch_id)


async def restore_segment(store: Store, caller: Caller, segment_id: str) -> None:
    """Puts a deleted segment back where it was, with its texts, its assets and their versions. What was under way when
    it was deleted stays cancelled.

    Raises Refusal not-found, invalid-state (it is not deleted), gone, invalid (no room in the episode), storage-full.
    """
    known = await store.episodes.deleted_segment(segment_id) or await store.episodes.segment(segment_id)
    episode = await store.episodes.lock(known.episode_id) if known else None
    if episode is None:
        raise not_found("deleted segment")
    segment = await store.episodes.deleted_segment(segment_id)
    if segment is None:
        raise invalid_state("segment", "not deleted", ["deleted"])
    now = store.now()
    if segment.deleted_at + RESTORABLE <= now:
        raise Refusal("gone", *problem_text("segment_deleted_for_good"))
    order = await store.episodes.segment_ids(episode.episode_id)
    if len(order) >= MAX_SEGMENTS:
        raise invalid(("", f"The episode has {MAX_SEGMENTS} segments again, which is the maximum"))
    order.insert(min(segment.number or 1, len(order) + 1) - 1, segment_id)
    assets = await store.episodes.restore_segment(segment, order.index(segment_id) + 1, now)
    await check_storage(store, episode.project_id)
    await store.episodes.number_segments(episode.episode_id, order, now)
    await store.episodes.save(episode.episode_id, now, order_revision=episode.order_revision + 1)
    await store.episodes.add_revision(
        episode.episode_id, "segment_restored", caller.actor, {"segment_id": segment_id}, now
    )
    await publish_timeline(store, episode, restored_asset_ids=assets)
    await store.log(changed_event(caller, episode.episode_id, "segment", segment_id, now))


async def order_segments(
    store: Store, caller: Caller, episode_id: str, revision: int | None, segment_ids: Sequence[str]
) -> int:
    """`segment_ids`: every segment once. Returns the new revision of the order.

    Raises Refusal not-found, stale, invalid.
    """
    episode = caller.owned(await store.episodes.lock(episode_id), "episode")
    check_revision(revision, episode.order_revision)
    current = await store.episodes.segment_ids(episode_id)
    if sorted(current) != sorted(segment_ids):
        raise invalid(("/segment_ids", "must name every segment of the episode exactly once"))
    now, order_revision = store.now(), episode.order_revision + 1
    await store.episodes.number_segments(episode_id, segment_ids, now)
    await store.episodes.save(episode_id, now, order_revision=order_revision)
    await store.episodes.add_revision(episode_id, "order", caller.actor, {"segment_ids": list(segment_ids)}, now)
    await publish_timeline(store, episode)
    await store.log(changed_event(caller, episode_id, "order", episode_id, now))
    if batch_id := await store.batches.live_batch(episode_id):
        await store.wake_batch(batch_id)
    return order_revision
