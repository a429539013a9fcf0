"""A project is made; who makes it owns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.episodes import Project
from services.gateway.domain.errors import invalid
from services.gateway.domain.models import settings_problems
from services.gateway.domain.roles import Role
from services.gateway.domain.settings import merged, reference_ids


@dataclass(frozen=True)
class CreateProject:
    name: str
    description: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


async def create_project(store: Store, user_id: str, command: CreateProject) -> str:
    """Returns the project's id. Raises Refusal invalid."""
    settings = merged({}, command.settings)
    if problems := settings_problems(settings, settings, store.catalogue, store.default_provider):
        raise invalid(*((f"/settings{at}", problem) for at, problem in problems))
    if reference_ids(settings):
        raise invalid(("/settings/characters", "uploads belong to a project: name them once it is there"))
    now, project_id = store.now(), store.new_id()
    await store.projects.insert(Project(project_id, user_id, command.name, command.description, settings, 1, 1), now)
    await store.accounts.put_member(project_id, user_id, Role.OWNER, now)
    caller = Caller(user_id, project_id, user_id, Role.OWNER)
    await store.log(changed(caller, None, "project", project_id, now))
    return project_id
