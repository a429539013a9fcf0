"""Projects, their settings, members and figures."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Unpack

from client.models import (
    FeedEntry,
    Member,
    Metrics,
    Project,
    ProjectSettings,
    Share,
    Usage,
)
from client.resources.base import Filters, Listing, Resource, parse, path, without_none
from client.transport import Request, json_of


class Projects(Resource):
    def all(self, max_items: int | None = None) -> Listing[Project]:
        """The caller's projects, newest first."""
        return self._list(Project, "/projects", max_items)

    async def get(self, project_id: str) -> Project:
        return await self._get(Project, path("projects", project_id))

    async def create(
        self,
        name: str,
        *,
        description: str | None = None,
        settings: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Project:
        body = {"name": name, "description": description, "settings": settings}
        return await self._post(Project, "/projects", body, key=key)

    async def update(
        self,
        project_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        revision: int | str | None = "*",
    ) -> Project:
        body = without_none({"name": name, "description": description})
        return await self._change(Project, "PATCH", path("projects", project_id), body, revision)

    async def delete(self, project_id: str) -> None:
        await self._delete(path("projects", project_id))

    async def settings(self, project_id: str) -> ProjectSettings:
        return await self._get(ProjectSettings, path("projects", project_id, "settings"))

    async def change_settings(
        self, project_id: str, changes: dict[str, Any], *, revision: int | str | None = "*"
    ) -> ProjectSettings:
        """Merge `changes` into the settings; a null clears a setting."""
        url = path("projects", project_id, "settings")
        return await self._change(ProjectSettings, "PATCH", url, changes, revision)

    def shares(self, project_id: str, max_items: int | None = None, **filters: Unpack[Filters]) -> Listing[Share]:
        """The share links of a project, newest first; owners only."""
        return self._list(Share, path("projects", project_id, "shares"), max_items, **filters)

    async def share(
        self,
        project_id: str,
        episode_id: str,
        role: str,
        label: str,
        *,
        expires_at: datetime | str | None = None,
        key: str | None = None,
    ) -> Share:
        """A link that opens one episode as viewer or reviewer; None: for 7 days. Its `url` is told only here."""
        until = expires_at.isoformat() if isinstance(expires_at, datetime) else expires_at
        body = {"episode_id": episode_id, "role": role, "label": label, "expires_at": until}
        return await self._post(Share, path("projects", project_id, "shares"), body, key=key)

    async def revoke_share(self, project_id: str, share_id: str) -> None:
        await self._delete(path("projects", project_id, "shares", share_id))

    def members(self, project_id: str) -> Listing[Member]:
        return self._list(Member, path("projects", project_id, "members"))

    async def set_member(self, project_id: str, user_id: str, role: str) -> Member:
        url = path("projects", project_id, "members", user_id)
        request = Request("PUT", url, json={"role": role})
        return parse(Member, json_of(await self._transport.send(request)))

    async def remove_member(self, project_id: str, user_id: str) -> None:
        await self._delete(path("projects", project_id, "members", user_id))

    async def usage(
        self, project_id: str, *, start: str | None = None, to: str | None = None, group_by: str | None = None
    ) -> Usage:
        """The cost between two times. `group_by`: day, month, kind, provider, model or episode."""
        params: dict[str, Any] = {"from": start, "to": to, "group_by": group_by}
        return await self._get(Usage, path("projects", project_id, "usage"), **params)

    async def metrics(self, project_id: str) -> Metrics:
        """The review metrics."""
        return await self._get(Metrics, path("projects", project_id, "metrics"))

    def progress(self, project_id: str, max_items: int | None = None, **filters: Unpack[Filters]) -> Listing[FeedEntry]:
        """The activity feed, newest first."""
        return self._list(FeedEntry, path("projects", project_id, "progress"), max_items, **filters)
