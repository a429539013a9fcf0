"""`retake watch`: an episode live."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from client.api import AsyncRetake
from client.cli.command import command
from client.cli.options import EpisodeArgument, ProjectOption
from client.cli.screen import Screen
from client.cli.session import Session
from client.cli.targets import find_episode
from client.live import Live
from client.models import Episode


@command
async def watch(
    session: Session,
    episode: EpisodeArgument = None,
    until_done: Annotated[bool, typer.Option("--until-rest", help="End once nothing is being made.")] = False,
    last_event_id: Annotated[
        str | None, typer.Option("--last-event-id", metavar="ID", help="With --json: begin after this event.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Watch an episode being made: segments, progress, reviews that wait. With --json each event is a line."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        if session.as_json:
            await _events(session, client, found, until_done, last_event_id)
        else:
            await _board(session, client, found, until_done)


async def _board(session: Session, client: AsyncRetake, episode: Episode, until_done: bool) -> None:
    session.line(f"{episode.title}  {episode.id}", style="bold")
    with Screen(session, keep=True) as screen:
        async with Live(
            client, episode.project_id or "", episode, on_change=screen.update, on_connection=screen.connection
        ) as live:
            screen.update(live.board, None)
            while not (until_done and await _at_rest(live)):
                await live.next_change()


async def _at_rest(live: Live) -> bool:
    """Nothing is made, and a moment later still nothing: a finished run may be followed by the batch's next."""
    if live.busy:
        return False
    await asyncio.sleep(1.0)
    await live.refresh()
    return not live.busy


async def _events(
    session: Session, client: AsyncRetake, episode: Episode, until_done: bool, last_event_id: str | None
) -> None:
    """NDJSON: each event as `{"event", "id", "data"}`."""
    live = Live(client, episode.project_id or "", episode)
    async with client.events(episode.project_id, last_event_id or episode.cursor) as stream:
        if until_done and await _at_rest(live):
            return
        async for event in stream:
            if event.episode_id in (None, episode.id):
                session.emit({"event": event.name, "id": event.last_event_id, "data": event.data})
            live.board.apply(event)
            if until_done and await _at_rest(live):
                return
