"""A project's name or description changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.errors import not_found, stale


@dataclass(frozen=True)
class ChangeProject:
    """`revision` None: whatever it is now. `changes`: name, description."""

    revision: int | None
    changes: Mapping[str, Any]


async def change_project(store: Store, caller: Caller, command: ChangeProject) -> None:
    """Raises Refusal not-found, stale."""
    project = await store.projects.lock(caller.project_id)
    if project is None:
        raise not_found("project")
    if command.revision not in (None, project.revision):
        raise stale(project.revision)
    now = store.now()
    fields = {name: value for name, value in command.changes.items() if name in ("name", "description")}
    await store.projects.save(project.project_id, now, revision=project.revision + 1, **fields)
    await store.log(changed(caller, None, "project", project.project_id, now))
