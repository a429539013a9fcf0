"""Reviews: the decisions about previews."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from client.models import Review, ReviewAction
from client.resources.base import Filters, Listing, Resource, path


class Reviews(Resource):
    def all(self, project_id: str, max_items: int | None = None, **filters: Unpack[Filters]) -> Listing[Review]:
        """Every decision in a project, newest first."""
        return self._list(Review, path("projects", project_id, "reviews"), max_items, **filters)

    async def approve(
        self,
        run_id: str,
        *,
        version_id: str | None = None,
        rating: int | None = None,
        feedback: str | None = None,
        note_ids: Sequence[str] = (),
        key: str | None = None,
    ) -> Review:
        """Accept the preview of a run. Name the version if there are variants, or to be sure which one you accept."""
        body = {"version_id": version_id, "rating": rating, "feedback": feedback, "note_ids": list(note_ids) or None}
        return await self._decide(run_id, ReviewAction.APPROVE, body, key)

    async def reject(
        self,
        run_id: str,
        *,
        version_id: str | None = None,
        rating: int | None = None,
        feedback: str | None = None,
        suggested_changes: dict[str, Any] | None = None,
        regenerate: bool | None = None,
        note_ids: Sequence[str] = (),
        key: str | None = None,
    ) -> Review:
        """Reject the preview of a run. `suggested_changes` start a new run, unless `regenerate` is False."""
        body = {
            "version_id": version_id,
            "rating": rating,
            "feedback": feedback,
            "suggested_changes": suggested_changes or None,
            "regenerate": regenerate,
            "note_ids": list(note_ids) or None,
        }
        return await self._decide(run_id, ReviewAction.REJECT, body, key)

    async def _decide(self, run_id: str, action: ReviewAction, body: dict[str, Any], key: str | None) -> Review:
        return await self._post(Review, path("runs", run_id, "review"), {"action": action.value, **body}, key=key)
