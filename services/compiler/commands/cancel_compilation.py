"""Someone no longer wants a film: its ffmpeg is stopped and what it rendered so far is kept for the next one."""

from __future__ import annotations

from services.compiler.commands.ports import Compilation, Desk
from shared.contracts.events.compiler import FilmUpdated
from shared.contracts.events.gateway import CancelRequested, CancelTarget
from shared.messaging.events import Message


async def cancel_compilation(desk: Desk, message: Message[CancelRequested]) -> None:
    """Too late: ignored. Too early: kept until the compilation is there."""
    event = message.event
    if event.target is not CancelTarget.COMPILATION:
        return
    if closed := await desk.cancel(event.target_id):
        await desk.publish(cancelled(closed), closed.cause)
    elif not await desk.exists(event.target_id):
        await desk.park(event.target_id, message)


def cancelled(compilation: Compilation) -> FilmUpdated:
    return FilmUpdated(
        episode_id=compilation.episode_id,
        compilation_id=compilation.compilation_id,
        rev=compilation.rev,
        state=compilation.state,
        progress=compilation.progress,
    )
