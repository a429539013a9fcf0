"""A segment is added, at the end or in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.commands.announce import changed
from services.gateway.commands.create_episode import new_segment
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.domain.documents import parse_segment
from services.gateway.domain.episodes import MAX_SEGMENTS
from services.gateway.domain.errors import invalid, not_found


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
    await store.log(changed(caller, episode_id, "segment", segment.segment_id, now))
    return segment.segment_id
