"""`retake film`: from photographs to a film."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from client.api import AsyncRetake
from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import Stopped, UsageError, WorkFailed
from client.cli.film_plan import Plan, make_plan
from client.cli.films import film_warnings, save_film
from client.cli.follow import watch_episode
from client.cli.local_system import running
from client.cli.lookup import find_episode, find_or_create_project
from client.cli.options import Force, NewProjectOption, check_output_file
from client.cli.preview import ask_decision, present, review_line
from client.cli.prompts import choose
from client.cli.screen import transfer
from client.cli.session import Session
from client.film_workflow import (
    Accept,
    Reject,
    check_pictures,
    compile_film,
    failures,
    generate_missing,
    import_document,
    upload_pictures,
)
from client.models import Batch, Episode, Run

UNATTENDED_PARALLEL_RUNS = 2
"""With --yes, when nobody reviews the segments one by one."""


@command
async def film(
    session: Session,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PHOTOS", help="Pictures, or folders of them; each becomes a segment."),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(
            "--script", "-s", metavar="FILE", help="Episode script (YAML or JSON); PHOTOS fill its segments in order."
        ),
    ] = None,
    music: Annotated[
        str | None,
        typer.Option(
            "--music", metavar="MOOD", help="Description of the music.  [default: the script's, else warm and calm]"
        ),
    ] = None,
    no_music: Annotated[bool, typer.Option("--no-music", help="Leave the music out.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")] = Path("film.mp4"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept all previews without review.")] = False,
    force: Force = False,
    transition: Annotated[
        str | None, typer.Option("--transition", help="cut, fade or dissolve.  [default: the script's, else dissolve]")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.5, max=60, help="Duration of each segment, without a script.")
    ] = 5.0,
    title: Annotated[str | None, typer.Option("--title", help="Title of the episode.")] = None,
    episode: Annotated[
        str | None, typer.Option("--episode", help="Continue this episode (id or title) instead of creating one.")
    ] = None,
    project: NewProjectOption = None,
) -> None:
    """Make a film from photographs. Each photograph becomes a video for your review; accepted videos become the film.

    Uses the running system; if there is none, starts one and stops it afterwards.
    """
    plan = make_plan(photos or [], script, music, no_music, title, seconds, transition, episode)
    for warning in plan.warnings:
        session.warn(warning)
    await _check_output(session, output, yes, force)
    async with running(session) as client:
        found = await _find_or_create_episode(session, client, plan, project, episode)
        try:
            await _generate(session, client, found, yes)
            await _compile(session, client, plan, found, output)
        except (asyncio.CancelledError, Stopped):
            session.line(f"All results so far are kept. Continue with: retake film --episode {found.id}")
            raise


async def _check_output(session: Session, output: Path, yes: bool, force: bool) -> None:
    """Raise UsageError, before anything is started, if the film could not be reviewed or written."""
    check_output_file(output, force=force or not yes)
    if yes:
        return
    if not session.can_ask:
        raise UsageError(
            "Reviewing previews needs an interactive terminal.", "Add --yes to accept all of them without review."
        )
    if output.exists() and not force and await choose(session, f"{output} exists. Overwrite it? [y/n]", "yn") == "n":
        raise UsageError(f"{output} was not overwritten.", "Choose another file with --output.")


async def _find_or_create_episode(
    session: Session, client: AsyncRetake, plan: Plan, project: str | None, episode: str | None
) -> Episode:
    if episode is not None:
        return await find_episode(client, episode, project)
    parent = await find_or_create_project(client, project)
    with transfer(session, "Uploading") as on_progress:
        document = await upload_pictures(client, parent.id, plan.document, plan.pictures, on_progress)
    episode_id, warnings = await import_document(client, parent.id, document)
    created = await client.episodes.get(episode_id)
    check_pictures(created, document, warnings)
    for warning in warnings:
        session.warn(warning)
    return created


async def _generate(session: Session, client: AsyncRetake, episode: Episode, yes: bool) -> None:
    """Generate the missing assets of the episode and have them accepted. Raises WorkFailed if some are missing."""
    total = len(episode.segments)
    session.line(f"{episode.title}: {formatting.count(total, 'segment')} (episode {episode.id})", style="bold")
    async with watch_episode(session, client, episode) as (watcher, screen):

        async def ask(run: Run) -> Accept | Reject:
            with screen.paused():
                present(session, run, total)
                return await ask_decision(session, run, can_postpone=False)

        batch = await generate_missing(
            client,
            watcher,
            None if yes else ask,
            on_review=lambda run, review: session.line(*review_line(run, review)),
            mode="parallel" if yes else "sequential",
            batch_size=UNATTENDED_PARALLEL_RUNS if yes else None,
        )
    _check(batch, episode)


async def _compile(session: Session, client: AsyncRetake, plan: Plan, episode: Episode, output: Path) -> None:
    episode = await client.episodes.get(episode.id)
    async with watch_episode(session, client, episode) as (watcher, _):
        _, film = await compile_film(
            client, watcher, transition_style=plan.transition, audio_config={"background_music": plan.has_music}
        )
    for warning in film_warnings(film):
        session.warn(warning)
    await save_film(session, client, episode, film, output)


def _check(batch: Batch, episode: Episode) -> None:
    problems = failures(batch)
    if batch.status != "completed" or batch.failed or problems:
        cause = "\n  ".join(problems) or (batch.error.text if batch.error else f"the batch was {batch.status}")
        raise WorkFailed(
            f"Some assets could not be generated:\n  {cause}",
            f"Continue with `retake film --episode {episode.id}`, "
            f"or compile the available segments with `retake compile --episode {episode.id}`.",
        )
