"""`retake watch`: an episode live."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from client.api import AsyncRetake
from client.cli.command import command
from client.cli.follow import watch_episode
from client.cli.lookup import find_episode
from client.cli.options import ProjectOption, SubjectEpisode
from client.cli.session import Session
from client.episode_watcher import EpisodeWatcher
from client.models import Episode


@command
async def watch(
    session: Session,
    episode: SubjectEpisode = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="Exit when nothing is being generated.")] = False,
    last_event_id: Annotated[
        str | None, typer.Option("--last-event-id", metavar="ID", help="With --json: start after this event.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Watch an episode live: segments, progress, waiting reviews. With --json, print one event per line."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        if session.as_json:
            await _print_events(session, client, found, until_idle, last_event_id)
        else:
            await _show_progress(session, client, found, until_idle)


async def _show_progress(session: Session, client: AsyncRetake, episode: Episode, until_idle: bool) -> None:
    session.line(f"{episode.title}  {episode.id}", style="bold")
    async with watch_episode(session, client, episode, keep=True) as (watcher, _):
        while not (until_idle and await _is_idle(watcher)):
            await watcher.next_change()


async def _is_idle(watcher: EpisodeWatcher) -> bool:
    """Nothing is being generated, now and a second later: the batch may start its next run after the last one."""
    if watcher.busy:
        return False
    await asyncio.sleep(1.0)
    await watcher.refresh()
    return not watcher.busy


async def _print_events(
    session: Session, client: AsyncRetake, episode: Episode, until_idle: bool, last_event_id: str | None
) -> None:
    """NDJSON: each event as `{"event", "id", "data"}`."""
    watcher = EpisodeWatcher(client, episode.project_id or "", episode)
    async with client.events(episode.project_id, last_event_id or episode.cursor) as stream:
        if until_idle and await _is_idle(watcher):
            return
        async for event in stream:
            if event.episode_id in (None, episode.id):
                session.emit({"event": event.name, "id": event.last_event_id, "data": event.data})
            watcher.progress.apply(event)
            if until_idle and await _is_idle(watcher):
                return
