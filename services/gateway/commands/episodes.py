"""Create, change and delete episodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.gateway.commands.batch_progress import save_progress
from services.gateway.commands.segments import new_segment
from services.gateway.commands.stream_events import changed_event
from services.gateway.commands.timeline import publish_timeline
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import NewAsset, asset_label, draft_of
from services.gateway.domain.batches import BatchStatus
from services.gateway.domain.documents import EpisodePlan, parse_document
from services.gateway.domain.episodes import Episode
from services.gateway.domain.errors import check_revision, not_found
from services.gateway.domain.outputs import changed_output
from services.gateway.domain.segments import NewSegment
from services.gateway.domain.settings import with_defaults
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import AssetKind


@dataclass(frozen=True)
class CreateEpisode:
    """`document`: the API's Document without starting images; unknown keys are refused."""

    document: Mapping[str, Any]


async def create_episode(store: Store, caller: Caller, command: CreateEpisode) -> str:
    """Returns the episode's id. Raises Refusal invalid."""
    plan = parse_document(command.document, strict=True)
    episode, _ = await write_episode(store, caller, plan)
    return episode.episode_id


async def write_episode(store: Store, caller: Caller, plan: EpisodePlan) -> tuple[Episode, list[NewSegment]]:
    """The episode with its segments, their assets and first drafts. Raises Refusal not-found, invalid."""
    project = await store.projects.get(caller.project_id)
    if project is None:
        raise not_found("project")
    default = with_defaults(project.settings)["output"]
    episode = Episode(
        episode_id=store.new_id(),
        project_id=caller.project_id,
        owner_id=caller.owner_id,
        title=plan.title,
        description=plan.description,
        output=changed_output(default, plan.output or {}),
        revision=1,
        order_revision=1,
        timeline_version=0,
    )
    await store.episodes.insert(episode, store.now())
    segments = [new_segment(store, number, row) for number, row in enumerate(plan.segments, 1)]
    music = NewAsset(store.new_id(), AssetKind.MUSIC, asset_label(AssetKind.MUSIC, None), draft_of(plan.music))
    await store.assets.insert(episode, None, [music], store.now())
    await store.episodes.insert_segments(episode, segments, store.now())
    await publish_timeline(store, episode)
    await store.log(changed_event(caller, episode.episode_id, "episode", episode.episode_id, store.now()))
    return episode, segments


async def change_episode(
    store: Store, caller: Caller, episode_id: str, revision: int | None, changes: Mapping[str, Any]
) -> None:
    """`changes`: title, description, output. `revision` None: any. Raises Refusal not-found, stale, invalid."""
    episode = caller.owned(await store.episodes.lock(episode_id), "episode")
    check_revision(revision, episode.revision)
    fields = {name: value for name, value in changes.items() if name in ("title", "description")}
    output = changed_output(episode.output.model_dump(), changes.get("output") or {})
    if output != episode.output:
        fields["output"] = output.model_dump(mode="json")
    now = store.now()
    await store.episodes.save(episode_id, now, revision=episode.revision + 1, **fields)
    if output != episode.output:
        await store.episodes.add_revision(episode_id, "output", caller.actor, {"output": fields["output"]}, now)
        await publish_timeline(store, replace(episode, output=output))
    await store.log(changed_event(caller, episode_id, "episode", episode_id, now))


async def delete_episode(store: Store, caller: Caller, episode_id: str) -> None:
    """Ends its batch and publishes the deletion: the other services drop its assets and cancel its films.

    Raises Refusal not-found.
    """
    if batch_id := await store.batches.live_batch(episode_id):
        batch = await store.batches.lock(batch_id)
        if batch:
            await save_progress(store, batch, BatchStatus.CANCELLED, batch.counts)
    episode = caller.owned(await store.episodes.lock(episode_id), "episode")
    assets = await store.episodes.delete(episode_id, store.now())
    await publish_timeline(store, episode, deleted=True, deleted_asset_ids=assets)
    await store.log(changed_event(caller, episode_id, "episode", episode_id, store.now(), deleted=True))
