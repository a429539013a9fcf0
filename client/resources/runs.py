"""Runs of an asset: read, cancel, reopen."""

from __future__ import annotations

from typing import Unpack

from client.models import (
    Run,
)
from client.resources.base import Filters, Listing, Resource, path


class Runs(Resource):
    def all(
        self,
        project_id: str,
        max_items: int | None = None,
        **filters: Unpack[Filters],
    ) -> Listing[Run]:
        """A project's runs, newest first. Several values of a filter are joined by commas."""
        return self._list(Run, path("projects", project_id, "runs"), max_items, **filters)

    def mine(self, max_items: int | None = None, **filters: Unpack[Filters]) -> Listing[Run]:
        """The runs of all projects of the caller, newest first, each with the names of its project and episode."""
        return self._list(Run, path("runs"), max_items, **filters)

    async def get(self, run_id: str, *, wait_s: float | None = None) -> Run:
        return await self._get(Run, path("runs", run_id), wait_s=wait_s)

    async def cancel(self, run_id: str) -> Run:
        return await self._post(Run, path("runs", run_id, "cancel"))

    async def reopen(self, run_id: str) -> Run:
        """Review an expired or rejected preview again, with a new run and at no cost."""
        return await self._post(Run, path("runs", run_id, "reopen"))
