"""An episode's title, description or output changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.domain.errors import not_found, stale
from services.gateway.domain.outputs import changed_output


async def change_episode(
    store: Store, caller: Caller, episode_id: str, revision: int | None, changes: Mapping[str, Any]
) -> None:
    """Raises Refusal not-found, stale, invalid."""
    episode = await store.episodes.lock(episode_id)
    if episode is None or episode.project_id != caller.project_id:
        raise not_found("episode")
    if revision not in (None, episode.revision):
        raise stale(episode.revision)
    fields = {name: value for name, value in changes.items() if name in ("title", "description")}
    output = changed_output(episode.output.model_dump(), changes.get("output") or {})
    if output != episode.output:
        fields["output"] = output.model_dump(mode="json")
    now = store.now()
    await store.episodes.save(episode_id, now, revision=episode.revision + 1, **fields)
    if output != episode.output:
        await store.episodes.revise(episode_id, "output", caller.actor, {"output": fields["output"]}, now)
        await publish_timeline(store, replace(episode, output=output))
    await store.log(changed(caller, episode_id, "episode", episode_id, now))
