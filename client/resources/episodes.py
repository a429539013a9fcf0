"""Episodes, their segments and assets."""

from __future__ import annotations

from typing import Any

from client.models import Asset, Episode, Metrics, Review, Revision, Run, Segment, SegmentsStatus, Version
from client.models.base import Model
from client.resources.base import Listing, Resource, given, path


class Order(Model):
    segment_ids: list[str]
    revision: int | None = None


class Comparison(Model):
    versions: list[Version]
    differences: list[dict[str, Any]] = []


class Episodes(Resource):
    def all(self, project_id: str, max_items: int | None = None) -> Listing[Episode]:
        """A project's episodes, newest first."""
        return self._list(Episode, path("projects", project_id, "episodes"), max_items)

    async def get(self, episode_id: str) -> Episode:
        """The snapshot that everything refreshes from; open the event stream at its `cursor`."""
        return await self._get(Episode, path("episodes", episode_id))

    async def create(
        self,
        project_id: str,
        title: str,
        *,
        description: str | None = None,
        segments: list[dict[str, Any]] | None = None,
        output: dict[str, Any] | None = None,
        key: str | None = None,
    ) -> Episode:
        """An episode without starting images of one's own; `imports.create` takes those too."""
        body = {"title": title, "description": description, "segments": segments, "output": output}
        return await self._post(Episode, path("projects", project_id, "episodes"), body, key=key)

    async def update(
        self,
        episode_id: str,
        *,
        title: str | None = None,
        description: str | None = None,
        output: dict[str, Any] | None = None,
        revision: int | str | None = "*",
    ) -> Episode:
        body = given({"title": title, "description": description, "output": output})
        return await self._change(Episode, "PATCH", path("episodes", episode_id), body, revision)

    async def delete(self, episode_id: str) -> None:
        await self._delete(path("episodes", episode_id))

    async def order(self, episode_id: str) -> Order:
        return await self._get(Order, path("episodes", episode_id, "order"))

    async def reorder(self, episode_id: str, segment_ids: list[str], *, revision: int | str) -> Order:
        """Put the segments in this order; `revision` is the order's that was read."""
        where = path("episodes", episode_id, "order")
        return await self._change(Order, "PUT", where, {"segment_ids": segment_ids}, revision)

    def revisions(self, episode_id: str, max_items: int | None = None) -> Listing[Revision]:
        return self._list(Revision, path("episodes", episode_id, "revisions"), max_items)

    async def status(self, episode_id: str) -> SegmentsStatus:
        return await self._get(SegmentsStatus, path("episodes", episode_id, "segments", "status"))

    def segments(self, episode_id: str, max_items: int | None = None) -> Listing[Segment]:
        """In film order."""
        return self._list(Segment, path("episodes", episode_id, "segments"), max_items)

    def assets(
        self,
        episode_id: str,
        max_items: int | None = None,
        *,
        kind: str | None = None,
        segment_id: str | None = None,
        stale: str | None = None,
    ) -> Listing[Asset]:
        where = path("episodes", episode_id, "assets")
        return self._list(Asset, where, max_items, kind=kind, segment_id=segment_id, stale=stale)

    async def add_asset(self, episode_id: str, label: str, *, segment_id: str | None = None) -> Asset:
        """A further image; a video, a starting image and a narration come with a segment, music with an episode."""
        body = {"kind": "image", "label": label, "segment_id": segment_id}
        return await self._post(Asset, path("episodes", episode_id, "assets"), body)

    async def metrics(self, episode_id: str) -> Metrics:
        """How well reviews go."""
        return await self._get(Metrics, path("episodes", episode_id, "metrics"))


class Segments(Resource):
    async def get(self, segment_id: str) -> Segment:
        return await self._get(Segment, path("segments", segment_id))

    async def create(self, episode_id: str, segment: dict[str, Any]) -> Segment:
        return await self._post(Segment, path("episodes", episode_id, "segments"), segment)

    async def update(self, segment_id: str, changes: dict[str, Any], *, revision: int | str | None = "*") -> Segment:
        return await self._change(Segment, "PATCH", path("segments", segment_id), changes, revision)

    async def delete(self, segment_id: str) -> None:
        await self._delete(path("segments", segment_id))

    async def approve(
        self,
        segment_id: str,
        *,
        version_id: str | None = None,
        rating: int | None = None,
        feedback: str | None = None,
        key: str | None = None,
    ) -> Review:
        """Take the video that waits. Name the version that was watched, or another may be taken."""
        body = {"version_id": version_id, "rating": rating, "feedback": feedback}
        return await self._post(Review, path("segments", segment_id, "approve"), body, key=key)

    async def reject(
        self,
        segment_id: str,
        *,
        version_id: str | None = None,
        reason: str | None = None,
        rating: int | None = None,
        suggested_changes: dict[str, Any] | None = None,
        regenerate: bool | None = None,
        key: str | None = None,
    ) -> Review:
        """Refuse the video that waits."""
        body = {
            "version_id": version_id,
            "reason": reason,
            "rating": rating,
            "suggested_changes": suggested_changes,
            "regenerate": regenerate,
        }
        return await self._post(Review, path("segments", segment_id, "reject"), body, key=key)

    async def regenerate(
        self,
        segment_id: str,
        changes: dict[str, Any] | None = None,
        *,
        keep_original: bool | None = None,
        wait_s: float | None = None,
        key: str | None = None,
    ) -> Run:
        """Make the video anew with changes; a preview that waits is closed by it."""
        body = {"changes": changes, "keep_original": keep_original}
        return await self._post(Run, path("segments", segment_id, "regenerate"), body, wait_s=wait_s, key=key)


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
        body = given({"directions": directions, "settings": settings})
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
        """Make a new version. What is left out comes from the draft. Raises Busy with the active run's id."""
        body = {
            "directions": directions,
            "model": model,
            "settings": settings,
            "variants": variants,
            "suggested_changes": suggested_changes,
        }
        return await self._post(Run, path("assets", asset_id, "runs"), body, wait_s=wait_s, key=key)

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
        """Offer one's own file as a version: it is reviewed like any other."""
        body = {"upload_id": upload_id, "url": url, "directions": directions}
        return await self._post(Run, path("assets", asset_id, "versions"), body, key=key)

    async def compare(self, asset_id: str, first: str, second: str) -> Comparison:
        where = path("assets", asset_id, "compare")
        return await self._get(Comparison, where, versions=f"{first},{second}")


class Versions(Resource):
    async def get(self, version_id: str) -> Version:
        return await self._get(Version, path("versions", version_id))

    async def rollback(self, version_id: str, *, key: str | None = None) -> Run:
        """Commit an earlier accepted version again, by a run of its own."""
        return await self._post(Run, path("versions", version_id, "rollback"), key=key)
