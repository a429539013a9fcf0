"""Work and its outcome: runs and their review, batches, compilations."""

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

UNSET: Any = object()
"""Left out, where null means something else."""


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
        """Make what the episode lacks. `deadline_minutes` None: previews wait for ever; left out: the project's."""
        fields = given(
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
        """The short form of `create`; `job_id` is the batch's id."""
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
        """Make everything unseen, and then the film."""
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
        self, batch_id: str, *, start_from: int | None = None, skip: list[str] | bool | None = None
    ) -> Batch:
        """`skip` True: what is held up now; or the ids of segments."""
        return await self._post(Batch, path("batches", batch_id, "resume"), {"start_from": start_from, "skip": skip})

    async def cancel(self, batch_id: str) -> Batch:
        return await self._post(Batch, path("batches", batch_id, "cancel"))


class Compilations(Resource):
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
        """Make a film of the committed versions as they are now. Raises NotCompilable, which names segments."""
        body = {
            "segment_ids": segment_ids,
            "transition_style": transition_style,
            "transitions": transitions,
            "audio_config": audio_config,
            "captions": captions,
        }
        return await self._post(StartedCompilation, path("episodes", episode_id, "compile"), body, key=key)

    async def get(self, compilation_id: str, *, wait_s: float | None = None) -> Compilation:
        return await self._get(Compilation, path("compilation-jobs", compilation_id), wait_s=wait_s)

    def all(self, episode_id: str, max_items: int | None = None) -> Listing[Compilation]:
        where = path("episodes", episode_id, "compilation-jobs")
        return self._list(Compilation, where, max_items)

    async def cancel(self, compilation_id: str) -> Compilation:
        return await self._post(Compilation, path("compilation-jobs", compilation_id, "cancel"))

    async def rate(self, compilation_id: str, rating: int, feedback: str | None = None) -> Compilation:
        where = path("compilation-jobs", compilation_id, "rating")
        request = Request("PUT", where, json=given({"rating": rating, "feedback": feedback}))
        return parse(Compilation, json_of(await self._transport.send(request)))
