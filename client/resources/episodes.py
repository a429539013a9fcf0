"""Episodes and the order of their segments."""

from __future__ import annotations

from typing import Any

from client.models import Asset, Episode, EpisodeOutline, Metrics, Revision, Segment, SegmentsStatus
from client.models.base import Model
from client.resources.base import Listing, Resource, path, without_none


class Order(Model):
    segment_ids: list[str]
    revision: int | None = None


class Episodes(Resource):
    def all(self, project_id: str, max_items: int | None = None) -> Listing[Episode]:
        """A project's episodes, newest first."""
        return self._list(Episode, path("projects", project_id, "episodes"), max_items)

    async def get(self, episode_id: str) -> Episode:
        """A snapshot of the episode; the event stream continues at its `cursor`."""
        return await self._get(Episode, path("episodes", episode_id))

    async def outline(self, episode_id: str) -> EpisodeOutline:
        """A fifth of the snapshot: what a timeline shows, without versions and settings."""
        return await self._get(EpisodeOutline, path("episodes", episode_id, "outline"))

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
        """Create an episode. Use `imports.create` for one with starting images."""
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
        body = without_none({"title": title, "description": description, "output": output})
        return await self._change(Episode, "PATCH", path("episodes", episode_id), body, revision)

    async def delete(self, episode_id: str) -> None:
        await self._delete(path("episodes", episode_id))

    async def order(self, episode_id: str) -> Order:
        return await self._get(Order, path("episodes", episode_id, "order"))

    async def reorder(self, episode_id: str, segment_ids: list[str], *, revision: int | str) -> Order:
        """Reorder the segments. `revision` is that of the order that was read."""
        order = path("episodes", episode_id, "order")
        return await self._change(Order, "PUT", order, {"segment_ids": segment_ids}, revision)

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
        url = path("episodes", episode_id, "assets")
        return self._list(Asset, url, max_items, kind=kind, segment_id=segment_id, stale=stale)

    async def add_asset(self, episode_id: str, label: str, *, segment_id: str | None = None) -> Asset:
        """Add an image. Video, starting image and narration exist in every segment, music in every episode."""
        body = {"kind": "image", "label": label, "segment_id": segment_id}
        return await self._post(Asset, path("episodes", episode_id, "assets"), body)

    async def metrics(self, episode_id: str) -> Metrics:
        """The review metrics."""
        return await self._get(Metrics, path("episodes", episode_id, "metrics"))
