"""Segments of an episode."""

from __future__ import annotations

from typing import Any

from client.models import Review, Run, Segment
from client.resources.base import Resource, path


class Segments(Resource):
    async def get(self, segment_id: str) -> Segment:
        return await self._get(Segment, path("segments", segment_id))

    async def create(self, episode_id: str, segment: dict[str, Any]) -> Segment:
        return await self._post(Segment, path("episodes", episode_id, "segments"), segment)

    async def update(self, segment_id: str, changes: dict[str, Any], *, revision: int | str | None = "*") -> Segment:
        return await self._change(Segment, "PATCH", path("segments", segment_id), changes, revision)

    async def delete(self, segment_id: str) -> None:
        await self._delete(path("segments", segment_id))

    async def restore(self, segment_id: str) -> Segment:
        """Put a deleted segment back where it was, within 46 hours. Raises Gone after that."""
        return await self._post(Segment, path("segments", segment_id, "restore"))

    async def approve(
        self,
        segment_id: str,
        *,
        version_id: str | None = None,
        rating: int | None = None,
        feedback: str | None = None,
        key: str | None = None,
    ) -> Review:
        """Accept the waiting video. Name the version that was reviewed, so that no other is accepted."""
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
        """Reject the waiting video."""
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
        """Regenerate the video with changes; this closes a waiting preview."""
        body = {"changes": changes, "keep_original": keep_original}
        return await self._post(Run, path("segments", segment_id, "regenerate"), body, wait_s=wait_s, key=key)
