"""Following work until it ends or waits for a decision, with its progress on the screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from client.api import AsyncRetake
from client.cli.exit_codes import WorkFailed
from client.cli.preview import present
from client.cli.screen import Screen
from client.cli.session import Session
from client.episode_watcher import EpisodeWatcher
from client.models import Asset, Batch, BatchStatus, Compilation, Episode, Run, RunStatus


@asynccontextmanager
async def watch_episode(
    session: Session, client: AsyncRetake, episode: Episode, *, keep: bool = False
) -> AsyncIterator[tuple[EpisodeWatcher, Screen]]:
    """A watcher of the episode, and the screen that shows its progress; with `keep` the last state stays visible."""
    with Screen(session, keep=keep) as screen:
        async with EpisodeWatcher(
            client, episode.project_id or "", episode, on_change=screen.update, on_connection=screen.connection
        ) as watcher:
            screen.update(watcher.progress, None)
            yield watcher, screen


async def follow_run(session: Session, client: AsyncRetake, episode: Episode, run_id: str) -> Run:
    """The run when it has ended or waits for a decision."""
    async with watch_episode(session, client, episode) as (watcher, _):
        return await watcher.run(run_id)


async def follow_batch(session: Session, client: AsyncRetake, episode: Episode, batch_id: str) -> Batch:
    """The batch when it has ended or waits for a decision."""
    async with watch_episode(session, client, episode) as (watcher, _):
        while True:
            batch = await watcher.batch(batch_id)
            if batch.status.terminal or batch.status in (BatchStatus.WAITING_REVIEW, BatchStatus.PAUSED):
                return batch
            await watcher.next_change()


async def follow_film(session: Session, client: AsyncRetake, episode: Episode, compilation_id: str) -> Compilation:
    """The compilation when it is complete. Raises WorkFailed if it ends without a film."""
    async with watch_episode(session, client, episode) as (watcher, _):
        film = await watcher.compilation(compilation_id)
    if film.status != "completed":
        raise WorkFailed(film.error_message or f"The compilation was {film.status}.", film.recovery or "")
    return film


def report_run(session: Session, run: Run, episode: Episode, asset: Asset) -> None:
    """Print the outcome of a run that this command started. Raises WorkFailed if it has no result."""
    session.emit(run)
    check_run(run)
    if run.status is RunStatus.PREVIEW_READY:
        present(session, run, len(episode.segments))
        session.line(f"Decide with: retake review {run.id}")
    else:
        session.line(f"{asset.label or asset.kind.words}: {run.message or run.status.replace('_', ' ')} (run {run.id})")


def check_run(run: Run) -> None:
    """Raise WorkFailed for a run without a result."""
    if run.status in (RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.EXPIRED):
        cause = run.error.text if run.error else f"The run was {run.status}."
        raise WorkFailed(cause, (run.error.recovery or "") if run.error else "")
