"""Films: compilations of committed versions."""

from __future__ import annotations

from typing import Any

from client.models import (
    Compilation,
    Estimate,
    Provenance,
    StartedCompilation,
)
from client.resources.base import Listing, Resource, parse, path, without_none
from client.transport import Request, json_of


class Films(Resource):
    async def create(
        self,
        episode_id: str,
        *,
        segment_ids: list[str] | None = None,
        transition_style: str | None = None,
        transitions: list[dict[str, Any]] | None = None,
        audio_config: dict[str, Any] | None = None,
        captions: str | None = None,
        key: str | None = None,
    ) -> StartedCompilation:
        """Compile the currently committed versions. Raises NotCompilable, which has the segments that prevent it."""
        body = {
            "segment_ids": segment_ids,
            "transition_style": transition_style,
            "transitions": transitions,
            "audio_config": audio_config,
            "captions": captions,
        }
        return await self._post(StartedCompilation, path("episodes", episode_id, "compile"), body, key=key)

    async def estimate(
        self,
        episode_id: str,
        *,
        segment_ids: list[str] | None = None,
        transition_style: str | None = None,
        transitions: list[dict[str, Any]] | None = None,
    ) -> Estimate:
        """How long `create` would take, and what the film would lack. Nothing is started."""
        body = {
            "segment_ids": segment_ids,
            "transition_style": transition_style,
            "transitions": transitions,
            "dry_run": True,
        }
        return await self._post(Estimate, path("episodes", episode_id, "compile"), body)

    async def get(self, compilation_id: str, *, wait_s: float | None = None) -> Compilation:
        return await self._get(Compilation, path("compilation-jobs", compilation_id), wait_s=wait_s)

    def all(self, episode_id: str, max_items: int | None = None) -> Listing[Compilation]:
        url = path("episodes", episode_id, "compilation-jobs")
        return self._list(Compilation, url, max_items)

    async def provenance(self, compilation_id: str) -> Provenance:
        """Its origin by its Content Credentials, checked against its bytes. Raises Gone if it was deleted."""
        return await self._get(Provenance, path("compilation-jobs", compilation_id, "provenance"))

    async def cancel(self, compilation_id: str) -> Compilation:
        return await self._post(Compilation, path("compilation-jobs", compilation_id, "cancel"))

    async def rate(self, compilation_id: str, rating: int, feedback: str | None = None) -> Compilation:
        url = path("compilation-jobs", compilation_id, "rating")
        request = Request("PUT", url, json=without_none({"rating": rating, "feedback": feedback}))
        return parse(Compilation, json_of(await self._transport.send(request)))
