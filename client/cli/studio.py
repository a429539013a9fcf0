"""`retake studio`: the web page."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from client.api import AsyncRetake
from client.browser import open_page
from client.cli.command import Positional, command
from client.cli.completion import episodes
from client.cli.lookup import find_episode, find_project
from client.cli.options import ProjectOption
from client.cli.session import Session
from client.resources.base import path

Page = Annotated[
    str | None,
    typer.Option(
        "--episode",
        help="Id or title of the episode to open.  [default: the page of all projects]",
        autocompletion=episodes,
    ),
    Positional("EPISODE", episodes),
]


@command
async def studio(session: Session, episode: Page = None, project: ProjectOption = None) -> None:
    """Open the web page in your browser: at an episode or a project, if you name one.

    Prints the address, which is all that happens where there is no browser.

    Examples:

    * `retake studio`
    * `retake studio --episode "My film"`
    """
    async with session.connect() as client:
        address = client.url + await _page(client, episode, project)
    session.line(address, style="underline")
    opened = await asyncio.to_thread(open_page, address)
    if not opened:
        session.line("No browser could be started here; open the address above in one.")
    session.emit({"url": address, "opened": opened})


async def _page(client: AsyncRetake, episode: str | None, project: str | None) -> str:
    if episode is not None:
        found = await find_episode(client, episode, project)
        return path("p", found.project_id or "", "e", found.id)
    return path("p", (await find_project(client, project)).id) if project is not None else "/"
