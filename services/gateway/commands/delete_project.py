"""A project is deleted with everything in it."""

from __future__ import annotations

from services.gateway.commands.announce import changed
from services.gateway.commands.delete_episode import delete_episode
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.errors import not_found


async def delete_project(store: Store, caller: Caller) -> None:
    """Raises Refusal not-found."""
    if await store.projects.lock(caller.project_id) is None:
        raise not_found("project")
    for episode_id in await store.projects.episode_ids(caller.project_id):
        await delete_episode(store, caller, episode_id)
    now = store.now()
    await store.projects.save(caller.project_id, now, deleted_at=now)
    await store.log(changed(caller, None, "project", caller.project_id, now, deleted=True))
