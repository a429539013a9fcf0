"""Batches: many runs of one episode."""

from __future__ import annotations

from typing import Any

from client.models import (
    Batch,
    Estimate,
    StartedBatch,
)
from client.resources.base import Listing, Resource, parse, path, without_none
from client.transport import Request, json_of, new_key

UNSET: Any = object()
"""Omitted, where null has a meaning of its own."""


class Batches(Resource):
    async def create(
        self,
        episode_id: str,
        *,
        mode: str = "sequential",
        batch_size: int | None = None,
        start_from: int | None = None,
        auto_approve: bool | None = None,
        review: str | None = None,
        segment_ids: list[str] | None = None,
        deadline_minutes: int | None = UNSET,
        key: str | None = None,
    ) -> Batch:
        """Generate the missing assets of an episode.

        `deadline_minutes` None: reviews never expire; omitted: the project's setting.
        """
        fields = without_none(
            {
                "mode": mode,
                "batch_size": batch_size,
                "start_from": start_from,
                "auto_approve": auto_approve,
                "review": review,
                "segment_ids": segment_ids,
            }
        )
        if deadline_minutes is not UNSET:
            fields["deadline_minutes"] = deadline_minutes
        request = Request("POST", path("episodes", episode_id, "batches"), json=fields, key=key or new_key())
        return parse(Batch, json_of(await self._transport.send(request)))

    async def estimate(
        self,
        episode_id: str,
        *,
        mode: str | None = None,
        batch_size: int | None = None,
        start_from: int | None = None,
        segment_ids: list[str] | None = None,
    ) -> Estimate:
        """What `create` would start, cost and take. Nothing is started."""
        body = {
            "mode": mode,
            "batch_size": batch_size,
            "start_from": start_from,
            "segment_ids": segment_ids,
            "dry_run": True,
        }
        return await self._post(Estimate, path("episodes", episode_id, "batches"), body)

    async def estimate_render(
        self, episode_id: str, *, batch_size: int | None = None, segment_ids: list[str] | None = None
    ) -> Estimate:
        """What `render` would start, cost and take. Nothing is started."""
        body = {"batch_size": batch_size, "segment_ids": segment_ids, "dry_run": True}
        return await self._post(Estimate, path("episodes", episode_id, "render"), body)

    async def generate_segments(
        self,
        episode_id: str,
        *,
        mode: str | None = None,
        batch_size: int | None = None,
        start_from: int | None = None,
        auto_approve: bool | None = None,
        key: str | None = None,
    ) -> StartedBatch:
        """The short form of `create`; `job_id` is the id of the batch."""
        body = {"mode": mode, "batch_size": batch_size, "start_from": start_from, "auto_approve": auto_approve}
        return await self._post(StartedBatch, path("episodes", episode_id, "generate-segments"), body, key=key)

    async def render(
        self,
        episode_id: str,
        *,
        batch_size: int | None = None,
        segment_ids: list[str] | None = None,
        transition_style: str | None = None,
        transitions: list[dict[str, Any]] | None = None,
        audio_config: dict[str, Any] | None = None,
        captions: str | None = None,
        key: str | None = None,
    ) -> Batch:
        """Generate everything without review, and then compile the film."""
        body = {
            "batch_size": batch_size,
            "segment_ids": segment_ids,
            "transition_style": transition_style,
            "transitions": transitions,
            "audio_config": audio_config,
            "captions": captions,
        }
        return await self._post(Batch, path("episodes", episode_id, "render"), body, key=key)

    def all(self, episode_id: str, max_items: int | None = None) -> Listing[Batch]:
        """An episode's batches, newest first."""
        return self._list(Batch, path("episodes", episode_id, "batches"), max_items)

    async def get(self, batch_id: str, *, wait_s: float | None = None) -> Batch:
        return await self._get(Batch, path("batches", batch_id), wait_s=wait_s)

    async def pause(self, batch_id: str) -> Batch:
        return await self._post(Batch, path("batches", batch_id, "pause"))

    async def resume(
        self,
        batch_id: str,
        *,
        start_from: int | None = None,
        skip: list[str] | None = None,
        skip_held: bool | None = None,
    ) -> Batch:
        """`skip` has the ids of segments to skip; `skip_held`: skip those that block the batch now."""
        body = {"start_from": start_from, "skip": skip, "skip_held": skip_held}
        return await self._post(Batch, path("batches", batch_id, "resume"), body)

    async def cancel(self, batch_id: str) -> Batch:
        return await self._post(Batch, path("batches", batch_id, "cancel"))
