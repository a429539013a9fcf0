"""Runs of an asset: read, cancel, reopen."""

from __future__ import annotations
from typing import Any, Unpack
from client.models import (
    Batch,
    Compilation,
    Review,
    ReviewAction,
    Run,
    StartedBatch,
    StartedCompilation,
)
from client.resources.base import Filters, Listing, Resource, given, parse, path
from client.transport import Request, json_of, new_key


class Runs(Resource):
    def all(
        self,
        project_id: str,
        max_items: int | None = None,
        **filters: Unpack[Filters],
    ) -> Listing[Run]:
        """A project's runs, newest first. Several values of a filter are joined by commas."""
        return self._list(Run, path("projects", project_id, "runs"), max_items, **filters)

    async def get(self, run_id: str, *, wait_s: float | None = None) -> Run:
        return await self._get(Run, path("runs", run_id), wait_s=wait_s)

    async def cancel(self, run_id: str) -> Run:
        return await self._post(Run, path("runs", run_id, "cancel"))

    async def approve(
        self,
        run_id: str,
        *,
        version_id: str | None = None,
        rating: int | None = None,
        feedback: str | None = None,
        key: str | None = None,
    ) -> Review:
        """Take the version. Name it if there are variants, or to be sure that it is the one you watched."""
        body = {"version_id": version_id, "rating": rating, "feedback": feedback}
        return await self._review(run_id, ReviewAction.APPROVE, body, key)

    async def reject(
        self,
        run_id: str,
        *,
        version_id: str | None = None,
        rating: int | None = None,
        feedback: str | None = None,
        suggested_changes: dict[str, Any] | None = None,
        regenerate: bool | None = None,
        key: str | None = None,
    ) -> Review:
        """Refuse the version. With `suggested_changes` a new run starts, unless `regenerate` is False."""
        body = {
            "version_id": version_id,
            "rating": rating,
            "feedback": feedback,
            "suggested_changes": suggested_changes or None,
            "regenerate": regenerate,
        }
        return await self._review(run_id, ReviewAction.REJECT, body, key)

    async def reopen(self, run_id: str) -> Run:
        """Offer an expired or rejected preview again, at no new cost, by a new run."""
        return await self._post(Run, path("runs", run_id, "reopen"))

    async def _review(self, run_id: str, action: ReviewAction, body: dict[str, Any], key: str | None) -> Review:
        where = path("runs", run_id, "review")
        return await self._post(Review, where, {"action": action.value, **body}, key=key)
