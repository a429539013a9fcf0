"""Watching one run to where it rests: by its own event stream, with a bar."""

from __future__ import annotations

from client.api import AsyncRetake
from client.cli.codes import WorkFailed
from client.cli.screen import Screen
from client.cli.session import Session
from client.live import Live
from client.models import Episode, Run, RunStatus


async def follow_run(session: Session, client: AsyncRetake, episode: Episode, run_id: str) -> Run:
    """The run once nothing more happens by itself."""
    with Screen(session) as screen:
        async with Live(
            client, episode.project_id or "", episode, on_change=screen.update, on_connection=screen.connection
        ) as live:
            screen.update(live.board, None)
            return await live.run(run_id)


def check_run(run: Run) -> None:
    """Raise WorkFailed for a run that made nothing."""
    if run.status in (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.EXPIRED):
        told = run.error.text if run.error else f"The run was {run.status}."
        raise WorkFailed(told, (run.error.recovery or "") if run.error else "")
