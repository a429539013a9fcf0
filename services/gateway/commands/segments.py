"""Add, change, delete and reorder the segments of an episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.gateway.commands.stream_events import changed_event
from services.gateway.commands.timeline import publish_timeline
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import KINDS_OF_A_SEGMENT, NewAsset, asset_label, draft_of
from services.gateway.domain.documents import SegmentPlan, parse_segment
from services.gateway.domain.episodes import MAX_SEGMENTS
from services.gateway.domain.errors import invalid, not_found, stale
from services.gateway.domain.segments import NewSegment
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import AssetKind


def new_segment(store: Store, number: int, plan: SegmentPlan) -> NewSegment:
    after = plan.transition_after.model_dump(mode="json") if plan.transition_after else None
    return NewSegment(
        store.new_id(),
        number,
        plan.type,
        plan.scene_info,
        plan.duration,
        after,
        tuple(segment_assets(store, number, plan.directions)),
    )


@dataclass(frozen=True)
class AddSegment:
    """`position` from 1; None: at the end. `directions` by kind."""

    type: str
    scene_info: Mapping[str, Any] = field(default_factory=dict)
    duration: float | None = None
    position: int | None = None
    directions: Mapping[str, str] = field(default_factory=dict)


async def add_segment(store: Store, caller: Caller, episode_id: str, command: AddSegment) -> str:
    """Returns the segment's id. Raises Refusal not-found, invalid."""
    episode = await store.episodes.lock(episode_id)
    if episode is None or episode.project_id != caller.project_id:
        raise not_found("episode")
    plan = parse_segment(
        {
            "type": command.type,
            "scene_info": dict(command.scene_info),
            "duration": command.duration,
            "directions": dict(command.directions),
        }
    )
    order = await store.episodes.segment_ids(episode_id)
    if len(order) >= MAX_SEGMENTS:
        raise invalid(("/position", f"an episode has at most {MAX_SEGMENTS} segments"))
    position = len(order) + 1 if command.position is None else command.position
    if not 1 <= position <= len(order) + 1:
        raise invalid(("/position", f"must be from 1 to {len(order) + 1}"))
    now, segment = store.now(), new_segment(store, len(order) + 1, plan)
    await store.episodes.insert_segments(episode, [segment], now)
    order.insert(position - 1, segment.segment_id)
    if position < len(order):
        await store.episodes.number_segments(episode_id, order, now)
    await store.episodes.save(episode_id, now, order_revision=episode.order_revision + 1)
    await store.episodes.revise(episode_id, "segment_added", caller.actor, {"segment_id": segment.segment_id}, now)
    await publish_timeline(store, episode)
    await store.log(changed_event(caller, episode_id, "segment", segment.segment_id, now))
    return segment.segment_id


MAX_NOTES = 4000


async def change_segment(
    store: Store, caller: Caller, segment_id: str, revision: int | None, changes: Mapping[str, Any]
) -> None:
    """`changes`: type, scene_info (merged), duration, user_notes, transition_after. Raises Refusal not-found, stale,
    invalid."""
    known = await store.episodes.segment(segment_id)
    episode = await store.episodes.lock(known.episode_id) if known else None
    segment = await store.episodes.segment(segment_id)
    if segment is None or episode is None or segment.project_id != caller.project_id:
        raise not_found("segment")
    if revision not in (None, segment.revision):
        raise stale(segment.revision)
    now = store.now()
    fields = _checked(segment.scene_info, changes)
    await store.episodes.save_segment(segment_id, now, revision=segment.revision + 1, **fields)
    if {"type", "transition_after"} & fields.keys():
        await publish_timeline(store, episode)
    await store.log(changed_event(caller, segment.episode_id, "segment", segment_id, now))


def _checked(scene_info: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The columns to write."""
    given = dict(changes)
    notes = given.pop("user_notes", None)
    if notes is not None and (not isinstance(notes, str) or len(notes) > MAX_NOTES):
        raise invalid(("/user_notes", f"must be a text of at most {MAX_NOTES} characters"))
    if given.get("scene_info") is not None:
        given["scene_info"] = {**scene_info, **given["scene_info"]}
    plan = parse_segment(given)
    fields: dict[str, Any] = {} if "user_notes" not in changes else {"user_notes": notes or ""}
    if "type" in given:
        fields["type"] = plan.type.value
    if "scene_info" in given:
        fields["scene_info"] = plan.scene_info
    if "duration" in given:
        fields["duration"] = plan.duration
    if "transition_after" in given:
        after = plan.transition_after
        fields["transition_after"] = after.model_dump(mode="json") if after else None
    return fields


async def delete_segment(store: Store, caller: Caller, segment_id: str) -> None:
    """Raises Refusal not-found."""
    known = await store.episodes.segment(segment_id)
    episode = await store.episodes.lock(known.episode_id) if known else None
    segment = await store.episodes.segment(segment_id)
    if segment is None or episode is None or segment.project_id != caller.project_id:
        raise not_found("segment")
    now = store.now()
    assets = await store.episodes.delete_segment(segment_id, now)
    order = await store.episodes.segment_ids(episode.episode_id)
    await store.episodes.number_segments(episode.episode_id, order, now)
    await store.episodes.save(episode.episode_id, now, order_revision=episode.order_revision + 1)
    await store.episodes.revise(episode.episode_id, "segment_deleted", caller.actor, {"segment_id": segment_id}, now)
    await publish_timeline(store, episode, deleted_asset_ids=assets)
    await store.log(changed_event(caller, episode.episode_id, "segment", segment_id, now, deleted=True))
    if batch_id := await store.batches.live_of(episode.episode_id):
        await store.wake_batch(batch_id)


async def order_segments(
    store: Store, caller: Caller, episode_id: str, revision: int | None, segment_ids: Sequence[str]
) -> int:
    """Every segment once. Returns the new revision of the order. Raises Refusal not-found, stale, invalid."""
    episode = await store.episodes.lock(episode_id)
    if episode is None or episode.project_id != caller.project_id:
        raise not_found("episode")
    if revision not in (None, episode.order_revision):
        raise stale(episode.order_revision)
    current = await store.episodes.segment_ids(episode_id)
    if sorted(current) != sorted(segment_ids):
        raise invalid(("/segment_ids", "must name every segment of the episode exactly once"))
    now, raised = store.now(), episode.order_revision + 1
    await store.episodes.number_segments(episode_id, segment_ids, now)
    await store.episodes.save(episode_id, now, order_revision=raised)
    await store.episodes.revise(episode_id, "order", caller.actor, {"segment_ids": list(segment_ids)}, now)
    await publish_timeline(store, episode)
    await store.log(changed_event(caller, episode_id, "order", episode_id, now))
    if batch_id := await store.batches.live_of(episode_id):
        await store.wake_batch(batch_id)
    return raised


def segment_assets(store: Store, number: int, drafts: Mapping[AssetKind, str]) -> list[NewAsset]:
    """Every segment has one asset of each of its kinds, from the beginning and for ever."""
    return [
        NewAsset(store.new_id(), kind, asset_label(kind, number), draft_of(drafts.get(kind)))
        for kind in KINDS_OF_A_SEGMENT
    ]
