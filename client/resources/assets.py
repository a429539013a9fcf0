"""Assets: drafts, regeneration, versions."""

from __future__ import annotations

from typing import Any

from client.models import Asset, Estimate, Run, Version
from client.models.base import Model
from client.resources.base import Listing, Resource, path, without_none


class Comparison(Model):
    versions: list[Version]
    differences: list[dict[str, Any]] = []


class Assets(Resource):
    async def get(self, asset_id: str) -> Asset:
        return await self._get(Asset, path("assets", asset_id))

    async def save_draft(
        self,
        asset_id: str,
        *,
        directions: str | None = None,
        settings: dict[str, Any] | None = None,
        revision: int | str | None = "*",
    ) -> Asset:
        body = without_none({"directions": directions, "settings": settings})
        return await self._change(Asset, "PUT", path("assets", asset_id, "draft"), body, revision)

    async def discard_draft(self, asset_id: str) -> None:
        await self._delete(path("assets", asset_id, "draft"))

    async def regenerate(
        self,
        asset_id: str,
        *,
        directions: str | None = None,
        model: str | None = None,
        settings: dict[str, Any] | None = None,
        variants: int | None = None,
        suggested_changes: dict[str, Any] | None = None,
        wait_s: float | None = None,
        key: str | None = None,
    ) -> Run:
        """Generate a new version. Omitted values come from the draft. Raises Busy with the id of an active run."""
        body = {
            "directions": directions,
            "model": model,
            "settings": settings,
            "variants": variants,
            "suggested_changes": suggested_changes,
        }
        return await self._post(Run, path("assets", asset_id, "runs"), body, wait_s=wait_s, key=key)

    async def estimate(
        self,
        asset_id: str,
        *,
        directions: str | None = None,
        model: str | None = None,
        settings: dict[str, Any] | None = None,
        variants: int | None = None,
        suggested_changes: dict[str, Any] | None = None,
    ) -> Estimate:
        """What `regenerate` would cost and how long it would take. Nothing is started."""
        body = {
            "directions": directions,
            "model": model,
            "settings": settings,
            "variants": variants,
            "suggested_changes": suggested_changes,
            "dry_run": True,
        }
        return await self._post(Estimate, path("assets", asset_id, "runs"), body)

    def runs(self, asset_id: str, max_items: int | None = None, *, status: str | None = None) -> Listing[Run]:
        """The asset's runs, newest first."""
        return self._list(Run, path("assets", asset_id, "runs"), max_items, status=status)

    def versions(self, asset_id: str, max_items: int | None = None) -> Listing[Version]:
        """The asset's versions, newest first."""
        return self._list(Version, path("assets", asset_id, "versions"), max_items)

    async def add_version(
        self,
        asset_id: str,
        *,
        upload_id: str | None = None,
        url: str | None = None,
        directions: str | None = None,
        key: str | None = None,
    ) -> Run:
        """Add a file of the caller's as a new version; it is reviewed like any other."""
        body = {"upload_id": upload_id, "url": url, "directions": directions}
        return await self._post(Run, path("assets", asset_id, "versions"), body, key=key)

    async def compare(self, asset_id: str, first: str, second: str) -> Comparison:
        url = path("assets", asset_id, "compare")
        return await self._get(Comparison, url, versions=f"{first},{second}")
