"""An episode's order, output, transitions or assets have changed, or it was deleted."""

from __future__ import annotations

from services.compiler.commands.cancel_compilation import cancelled
from services.compiler.commands.ports import Desk
from shared.contracts.events.gateway import EpisodeChanged
from shared.messaging.events import Message


async def follow_timeline(desk: Desk, message: Message[EpisodeChanged]) -> None:
    """Compilations in progress go on with the versions that they pinned, unless their episode is gone."""
    timeline = message.event
    if timeline.deleted_asset_ids:
        await desk.bury(timeline.deleted_asset_ids)
    if not await desk.apply_timeline(timeline):
        return
    await desk.prepare(timeline.episode_id)
    if timeline.deleted:
        for compilation_id in await desk.open_of(timeline.episode_id):
            if closed := await desk.cancel(compilation_id):
                await desk.publish(cancelled(closed), closed.cause)
