"""An episode is made from a document, with its segments, their assets and first drafts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.gateway.commands.announce import changed
from services.gateway.commands.import_runs import segment_assets
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.publish_timeline import publish_timeline
from services.gateway.domain.documents import EpisodePlan, SegmentPlan, parse_document
from services.gateway.domain.episodes import Episode, NewAsset, NewSegment, draft_of, label
from services.gateway.domain.errors import not_found
from services.gateway.domain.outputs import changed_output
from services.gateway.domain.settings import with_defaults
from shared.contracts.values import AssetKind


@dataclass(frozen=True)
class CreateEpisode:
    """The API's Document without starting images; unknown keys are refused."""

    document: Mapping[str, Any]


async def create_episode(store: Store, caller: Caller, command: CreateEpisode) -> str:
    """Returns the episode's id. Raises Refusal invalid."""
    plan = parse_document(command.document, strict=True)
    episode, _ = await write_episode(store, caller, plan)
    return episode.episode_id


async def write_episode(store: Store, caller: Caller, plan: EpisodePlan) -> tuple[Episode, list[NewSegment]]:
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
    music = NewAsset(store.new_id(), AssetKind.MUSIC, label(AssetKind.MUSIC, None), draft_of(plan.music))
    await store.assets.insert(episode, None, [music], store.now())
    await store.episodes.insert_segments(episode, segments, store.now())
    await publish_timeline(store, episode)
    await store.log(changed(caller, episode.episode_id, "episode", episode.episode_id, store.now()))
    return episode, segments


def new_segment(store: Store, number: int, plan: SegmentPlan) -> NewSegment:
    after = plan.transition_after.model_dump(mode="json") if plan.transition_after else None
    return NewSegment(
        store.new_id(),
        number,
        plan.type,
        plan.scene_info,
        plan.duration,
        after,
        tuple(segment_assets(store, number, plan.directions)),
    )
