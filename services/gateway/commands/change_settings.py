"""A project's settings change; what concerns money and deadlines is the owners' alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.errors import Refusal, invalid, not_found, stale
from services.gateway.domain.models import settings_problems
from services.gateway.domain.roles import Role
from services.gateway.domain.settings import OWNERS_ONLY, merged, reference_ids


@dataclass(frozen=True)
class ChangeSettings:
    """`revision` None: whatever it is now. `changes`: a merge patch of the API's Settings."""

    revision: int | None
    changes: Mapping[str, Any]


async def change_settings(store: Store, caller: Caller, command: ChangeSettings) -> None:
    """Raises Refusal not-found, stale, forbidden, invalid."""
    if OWNERS_ONLY & set(command.changes) and not caller.role.at_least(Role.OWNER):
        raise Refusal(
            "forbidden",
            f"Only owners change {', '.join(sorted(OWNERS_ONLY))}.",
            "Ask an owner.",
            required_role=Role.OWNER.value,
        )
    project = await store.projects.lock(caller.project_id)
    if project is None:
        raise not_found("project")
    if command.revision not in (None, project.settings_revision):
        raise stale(project.settings_revision)
    settings = merged(project.settings, command.changes)
    problems = settings_problems(settings, command.changes, store.catalogue, store.default_provider)
    problems += await _missing_references(store, caller, settings)
    if problems:
        raise invalid(*problems)
    now = store.now()
    await store.projects.save(
        project.project_id, now, settings=settings, settings_revision=project.settings_revision + 1
    )
    await store.log(changed(caller, None, "settings", project.project_id, now))


async def _missing_references(store: Store, caller: Caller, settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = await store.uploads.of_project(caller.project_id, reference_ids(settings))
    return [
        (f"/characters/{i}/upload_ids/{j}", "there is no such upload of an image")
        for i, character in enumerate(settings.get("characters") or [])
        for j, upload_id in enumerate(character.get("upload_ids") or [])
        if (upload := found.get(upload_id)) is None or upload.kind != "image"
    ]
