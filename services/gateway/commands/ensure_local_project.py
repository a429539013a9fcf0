"""On one machine without accounts there is one user, and a project to begin with."""

from __future__ import annotations

from typing import Final

from services.gateway.commands.create_project import CreateProject, create_project
from services.gateway.commands.ports import Store

LOCAL_USER: Final = "local"
NAME: Final = "My film"


async def ensure_local_project(store: Store) -> str:
    """Returns the id of the local user's oldest project, made now if there is none. Repeating it changes nothing."""
    await store.accounts.see(LOCAL_USER, "Local user", store.now())
    found = await store.projects.first_of(LOCAL_USER)
    return found or await create_project(store, LOCAL_USER, CreateProject(NAME))
