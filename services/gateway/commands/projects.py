"""Create, change and delete projects, and change their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.gateway.commands.episodes import delete_episode
from services.gateway.commands.stream_events import changed_event
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import Refusal, check_revision, invalid, not_found
from services.gateway.domain.models import settings_problems
from services.gateway.domain.projects import Project
from services.gateway.domain.settings import OWNERS_ONLY, merged, reference_ids
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import problem_text

LOCAL_USER: Final = "local"
"""The only user of an installation without accounts."""

LOCAL_PROJECT_NAME: Final = "My film"


@dataclass(frozen=True)
class CreateProject:
    name: str
    description: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


async def create_project(store: Store, user_id: str, command: CreateProject) -> str:
    """The user becomes its owner. Returns the project's id. Raises Refusal invalid."""
    settings = merged({}, command.settings)
    if problems := settings_problems(settings, settings, store.catalogue, store.default_provider):
        raise invalid(*((f"/settings{at}", problem) for at, problem in problems))
    if reference_ids(settings):
        raise invalid(("/settings/characters", "must not name uploads yet; add them once the project exists"))
    now, project_id = store.now(), store.new_id()
    await store.projects.insert(Project(project_id, user_id, command.name, command.description, settings, 1, 1), now)
    await store.accounts.put_member(project_id, user_id, Role.OWNER, now)
    caller = Caller(user_id, project_id, user_id, Role.OWNER)
    await store.log(changed_event(caller, None, "project", project_id, now))
    return project_id


@dataclass(frozen=True)
class ChangeProject:
    """`revision` None: any. `changes`: name, description."""

    revision: int | None
    changes: Mapping[str, Any]


async def change_project(store: Store, caller: Caller, command: ChangeProject) -> None:
    """Raises Refusal not-found, stale."""
    project = await store.projects.lock(caller.project_id)
    if project is None:
        raise not_found("project")
    check_revision(command.revision, project.revision)
    now = store.now()
    fields = {name: value for name, value in command.changes.items() if name in ("name", "description")}
    await store.projects.save(project.project_id, now, revision=project.revision + 1, **fields)
    await store.log(changed_event(caller, None, "project", project.project_id, now))


@dataclass(frozen=True)
class ChangeSettings:
    """`revision` None: any. `changes`: a merge patch of the API's Settings."""

    revision: int | None
    changes: Mapping[str, Any]


async def change_settings(store: Store, caller: Caller, command: ChangeSettings) -> None:
    """Only owners may change what concerns money and deadlines. Raises Refusal not-found, stale, forbidden, invalid."""
    if OWNERS_ONLY & set(command.changes) and not caller.role.at_least(Role.OWNER):
        raise Refusal(
            "forbidden",
            *problem_text("owners_only", fields=", ".join(sorted(OWNERS_ONLY))),
            required_role=Role.OWNER.value,
        )
    project = await store.projects.lock(caller.project_id)
    if project is None:
        raise not_found("project")
    check_revision(command.revision, project.settings_revision)
    settings = merged(project.settings, command.changes)
    problems = settings_problems(settings, command.changes, store.catalogue, store.default_provider)
    problems += await _missing_references(store, caller, settings)
    if problems:
        raise invalid(*problems)
    now = store.now()
    await store.projects.save(
        project.project_id, now, settings=settings, settings_revision=project.settings_revision + 1
    )
    await store.log(changed_event(caller, None, "settings", project.project_id, now))


async def _missing_references(store: Store, caller: Caller, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = await store.uploads.of_project(caller.project_id, reference_ids(settings))
    return [
        (f"/characters/{i}/upload_ids/{j}", "is not an uploaded image of this project")
        for i, character in enumerate(settings.get("characters") or [])
        for j, upload_id in enumerate(character.get("upload_ids") or [])
        if (upload := found.get(upload_id)) is None or upload.kind != "image"
    ]


async def delete_project(store: Store, caller: Caller) -> None:
    """Deletes the project with everything in it. Raises Refusal not-found."""
    if await store.projects.lock(caller.project_id) is None:
        raise not_found("project")
    for episode_id in await store.projects.episode_ids(caller.project_id):
        await delete_episode(store, caller, episode_id)
    now = store.now()
    await store.projects.save(caller.project_id, now, deleted_at=now)
    await store.log(changed_event(caller, None, "project", caller.project_id, now, deleted=True))


async def ensure_local_project(store: Store) -> str:
    """Returns the id of the local user's oldest project, and creates one if there is none."""
    await store.accounts.remember(LOCAL_USER, "Local user", store.now())
    found = await store.projects.first_of(LOCAL_USER)
    return found or await create_project(store, LOCAL_USER, CreateProject(LOCAL_PROJECT_NAME))
