"""An asset has a new committed version: what can be rendered of it ahead of any request is rendered now."""

from __future__ import annotations

from services.compiler.commands.ports import Desk
from shared.contracts.events.gateway import PinnedMedia
from shared.contracts.events.generator import Complete
from shared.contracts.values import AssetKind, Version
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
        language=_language(version),
    )
    if await desk.remember(event.episode_id, event.commit_seq, media):
        await desk.prepare(event.episode_id)


def _language(version: Version) -> str | None:
    """As set, else as the provider says that it was spoken."""
    told = version.settings.get("language")
    found = told.value if told and told.value else version.info.get("language")
    return found if isinstance(found, str) else None
