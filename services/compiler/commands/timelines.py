"""Episodes' timelines and committed versions: what rendering ahead works from."""

from __future__ import annotations

from typing import Final

from services.compiler.store.compilations import CompilationRepository
from shared.contracts.events.gateway import EpisodeChanged, PinnedMedia
from shared.contracts.events.generator import Complete
from shared.contracts.values import AssetKind, Version
from shared.messaging.events import Message

_KINDS_IN_FILMS: Final = (AssetKind.VIDEO, AssetKind.NARRATION, AssetKind.MUSIC)


async def apply_timeline(compilations: CompilationRepository, message: Message[EpisodeChanged]) -> None:
    """Stores an episode's new timeline. Compilations in progress keep the versions that they pinned, unless the
    episode was deleted, which cancels them."""
    timeline = message.event
    if timeline.deleted_asset_ids:
        await compilations.tombstone(timeline.deleted_asset_ids)
    if timeline.restored_asset_ids:
        await compilations.restore(timeline.restored_asset_ids)
    if not await compilations.store_timeline(timeline):
        return
    await compilations.prepare(timeline.episode_id)
    if timeline.deleted:
        for compilation_id in await compilations.open_of(timeline.episode_id):
            if cancelled := await compilations.cancel(compilation_id):
                await compilations.publish(cancelled.updated(), cancelled.cause)


async def record_commit(compilations: CompilationRepository, message: Message[Complete]) -> None:
    """Stores an asset's new committed version and has it rendered ahead.

    The event may come before the episode's timeline; rendering then waits for that.
    """
    event = message.event
    if event.asset_kind not in _KINDS_IN_FILMS:
        return
    version = event.version
    media = PinnedMedia(
        asset_id=event.asset_id,
        version_id=version.version_id,
        object=version.object,
        media=version.media,
        directions=version.directions,
        model=version.model,
        approved_by=event.actor.user_id if event.actor.kind == "user" else None,
        language=_language(version),
    )
    if await compilations.is_deleted(event.asset_id):
        await compilations.keep_commit(event.episode_id, event.commit_seq, media)
    elif await compilations.record_commit(event.episode_id, event.commit_seq, media):
        await compilations.prepare(event.episode_id)


def _language(version: Version) -> str | None:
    """The language setting, or else the language that the provider reports."""
    setting = version.settings.get("language")
    language = setting.value if setting and setting.value else version.info.get("language")
    return language if isinstance(language, str) else None
