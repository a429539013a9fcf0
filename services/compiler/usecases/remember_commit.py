"""An asset has a new committed version: what can be rendered of it ahead of any request is rendered now."""

from __future__ import annotations

from services.compiler.usecases.ports import Desk
from shared.contracts.gateway import PinnedMedia
from shared.contracts.generator import Complete
from shared.contracts.values import AssetKind
from shared.messaging.events import Message

_IN_A_FILM = (AssetKind.VIDEO, AssetKind.NARRATION, AssetKind.MUSIC)


async def remember_commit(desk: Desk, message: Message[Complete]) -> None:
    """May come before the episode's timeline: rendering then waits for it."""
    event = message.event
    if event.asset_kind not in _IN_A_FILM or await desk.is_deleted(event.asset_id):
        return
    version = event.version
    media = PinnedMedia(
        asset_id=event.asset_id,
        version_id=version.version_id,
        object=version.object,
        media=version.media,
        directions=version.directions,
        model=version.model,
    )
    if await desk.remember(event.episode_id, event.commit_seq, media):
        await desk.prepare(event.episode_id)
