"""Watching work to where it rests: by the event stream, with a board that moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from client.api import AsyncRetake
from client.cli.codes import WorkFailed
from client.cli.preview import present
from client.cli.screen import Screen
from client.cli.session import Session
from client.live import Live
from client.models import Asset, Batch, BatchStatus, Compilation, Episode, Run, RunStatus


@asynccontextmanager
async def following(session: Session, client: AsyncRetake, episode: Episode) -> AsyncIterator[Live]:
    with Screen(session) as screen:
        async with Live(
            client, episode.project_id or "", episode, on_change=screen.update, on_connection=screen.connection
        ) as live:
            screen.update(live.board, None)
            yield live


async def follow_run(session: Session, client: AsyncRetake, episode: Episode, run_id: str) -> Run:
    """The run once nothing more happens by itself."""
    async with following(session, client, episode) as live:
        return await live.run(run_id)


async def follow_batch(session: Session, client: AsyncRetake, episode: Episode, batch_id: str) -> Batch:
    """The batch once it has ended or waits for somebody."""
    async with following(session, client, episode) as live:
        while True:
            batch = await live.batch(batch_id)
            if batch.status.terminal or batch.status in (BatchStatus.WAITING_REVIEW, BatchStatus.PAUSED):
                return batch
            await live.next_change()


async def follow_film(session: Session, client: AsyncRetake, episode: Episode, compilation_id: str) -> Compilation:
    """The compilation once it is a film. Raises WorkFailed if it ends otherwise."""
    async with following(session, client, episode) as live:
        film = await live.compilation(compilation_id)
    if film.status != "completed":
        raise WorkFailed(film.error_message or f"The compilation was {film.status}.", film.recovery or "")
    return film


def tell_run(session: Session, run: Run, episode: Episode, asset: Asset) -> None:
    """What became of a run that this command started. Raises WorkFailed if it made nothing."""
    session.emit(run)
    check_run(run)
    if run.status is RunStatus.PREVIEW_READY:
        present(session, run, len(episode.segments))
        session.line(f"Decide with: retake review {run.id}")
    else:
        session.line(f"{asset.label or asset.kind.words}: {run.message or run.status.replace('_', ' ')} (run {run.id})")


def check_run(run: Run) -> None:
    """Raise WorkFailed for a run that made nothing."""
    if run.status in (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.EXPIRED):
        told = run.error.text if run.error else f"The run was {run.status}."
        raise WorkFailed(told, (run.error.recovery or "") if run.error else "")
