"""`retake up`: start the system, in this process or in the background."""

from __future__ import annotations

import asyncio

import typer

from client.browser import open_page
from deploy.local.supervisor.background import start_in_background
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.options import Options
from deploy.local.supervisor.report import Journal, JsonObject, Lines


def in_foreground(options: Options, as_json: bool, *, open_browser: bool = False) -> bool:
    """Run the system until it is asked to stop; False if that was before it was ready."""
    from deploy.local.supervisor.system import run  # with --detach, the background process is the one to import it

    reporter = _reporter(as_json, open_browser)
    was_ready = asyncio.run(run(options, Journal(DataDir.of(options.data).log("supervisor"), reporter)))
    reporter.line("Stopped.")
    return was_ready


def in_background(options: Options, as_json: bool, *, open_browser: bool = False) -> None:
    """Start the system as a background process and return when it is ready."""
    start_in_background(options, _reporter(as_json, open_browser))


def _reporter(as_json: bool, open_browser: bool) -> Lines:
    page = open_page if open_browser else None
    return JsonObject(page) if as_json else Lines(typer.echo, page)
