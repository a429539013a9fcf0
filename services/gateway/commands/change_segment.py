"""What a segment says about itself changes; its assets and their versions stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.domain.documents import parse_segment
from services.gateway.domain.errors import invalid, not_found, stale

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
    await store.log(changed(caller, segment.episode_id, "segment", segment_id, now))


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
