"""`retake film`: photographs in, film out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from client.api import AsyncRetake
from client.cli import show
from client.cli.ask import choose
from client.cli.codes import Stopped, UsageError, WorkFailed
from client.cli.command import command
from client.cli.local import running
from client.cli.options import NewProjectOption
from client.cli.plan import Plan, make_plan
from client.cli.preview import decide, present
from client.cli.screen import Screen, transfer
from client.cli.session import Session
from client.cli.targets import find_episode, find_film_project
from client.live import Live
from client.models import Batch, Compilation, Episode, Review, Run
from client.production import (
    Accept,
    Reject,
    check_pictures,
    compile_film,
    download_film,
    failures,
    import_document,
    make_all,
    upload_pictures,
)

PARALLEL_UNSEEN = 2
"""Segments made at once when nobody looks at them one by one."""


@command
async def film(
    session: Session,
    photos: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PHOTOS", help="JPEG, PNG or WebP files, or folders of them; one segment each."),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(
            "--script", "-s", metavar="FILE", help="The episode as YAML or JSON; PHOTOS fill its segments in order."
        ),
    ] = None,
    music: Annotated[str | None, typer.Option("--music", metavar="MOOD", help="What the music is like.")] = None,
    no_music: Annotated[bool, typer.Option("--no-music", help="No music.")] = False,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The film.")] = Path("film.mp4"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept every preview and overwrite the film.")] = False,
    transition: Annotated[
        str | None, typer.Option("--transition", help="cut, fade or dissolve.  [default: the script's, else dissolve]")
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.5, max=60, help="Of each segment, without a script.")
    ] = 5.0,
    title: Annotated[str | None, typer.Option("--title", help="The episode's title.")] = None,
    episode: Annotated[
        str | None, typer.Option("--episode", help="Go on with this episode (id or title) instead of making one.")
    ] = None,
    project: NewProjectOption = None,
) -> None:
    """Make a film from photographs: each becomes a video that you review, then all become the film.

    Uses the running system, else starts one for this command and stops it afterwards.
    """
    plan = make_plan(photos or [], script, music, no_music, title, seconds, transition, episode)
    for warning in plan.warnings:
        session.warn(warning)
    await _may_begin(session, output, yes)
    async with running(session) as client:
        made = await _episode(session, client, plan, project, episode)
        try:
            await _make(session, client, made, yes)
            await _finish(session, client, plan, made, output)
        except (asyncio.CancelledError, Stopped):
            session.line(f"What is made so far is kept. Go on with: retake film --episode {made.id}")
            raise


async def _may_begin(session: Session, output: Path, yes: bool) -> None:
    """Everything that can be refused is refused before anything starts."""
    if not output.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {output.absolute().parent}.", "Make it, or choose another -o.")
    if output.is_dir():
        raise UsageError(f"{output} is a folder.", "Give the film's file name with -o.")
    if yes:
        return
    if not session.can_ask:
        raise UsageError(
            "Previews are reviewed at a terminal, and this is none.", "Add --yes to accept all of them unseen."
        )
    if output.exists() and await choose(session, f"{output} exists. Overwrite it? [y/n]", "yn") == "n":
        raise UsageError(f"{output} is kept.", "Choose another name with -o.")


async def _episode(
    session: Session, client: AsyncRetake, plan: Plan, project: str | None, episode_id: str | None
) -> Episode:
    """The one named, else a new one of the plan."""
    if episode_id is None:
        where = await find_film_project(client, project)
        with transfer(session, "Uploading") as told:
            document = await upload_pictures(client, where.id, plan.document, plan.pictures, told)
        episode_id, warnings = await import_document(client, where.id, document)
        episode = await client.episodes.get(episode_id)
        check_pictures(episode, document, warnings)
        for warning in warnings:
            session.warn(warning)
        return episode
    return await find_episode(client, episode_id, project)


async def _make(session: Session, client: AsyncRetake, episode: Episode, yes: bool) -> None:
    """Make everything that the episode lacks, and have it accepted."""
    size = show.count(len(episode.segments), "segment")
    session.line(f"{episode.title}: {size} (episode {episode.id})", style="bold")
    with Screen(session) as screen:
        async with Live(
            client, episode.project_id or "", episode, on_change=screen.update, on_connection=screen.connection
        ) as live:
            screen.update(live.board, None)
            total = len(episode.segments)

            async def ask(run: Run) -> Accept | Reject:
                with screen.paused():
                    present(session, run, total)
                    return await decide(session, run, may_leave=False)

            batch = await make_all(
                client,
                live,
                None if yes else ask,
                on_review=lambda run, review: _tell(session, run, review),
                mode="parallel" if yes else "sequential",
                batch_size=PARALLEL_UNSEEN if yes else None,
            )
    _check(batch, episode)


async def _finish(session: Session, client: AsyncRetake, plan: Plan, episode: Episode, output: Path) -> None:
    episode = await client.episodes.get(episode.id)
    with Screen(session) as screen:
        async with Live(
            client, episode.project_id or "", episode, on_change=screen.update, on_connection=screen.connection
        ) as live:
            screen.update(live.board, None)
            _, made = await compile_film(
                client, live, transition_style=plan.transition, audio_config={"background_music": plan.has_music}
            )
    for warning in made.warnings:
        session.warn(str(warning.get("message", warning) if isinstance(warning, dict) else warning))
    with transfer(session, output.name) as told:
        size = await download_film(client, made, output, told)
    report(session, episode, made, output, size)


def _tell(session: Session, run: Run, review: Review) -> None:
    where = f"Segment {run.segment_number}" if run.segment_number else run.kind.words.title()
    if review.verdict == "accepted":
        session.line(f"✓ {where} accepted", style="green")
    elif review.next_run_id:
        session.line(f"↻ {where} rejected; it is made again", style="magenta")
    else:
        session.line(f"✗ {where} rejected", style="magenta")


def _check(batch: Batch, episode: Episode) -> None:
    left = failures(batch)
    if batch.status != "completed" or batch.failed or left:
        told = "\n  ".join(left) or (batch.error.text if batch.error else f"the work was {batch.status}")
        raise WorkFailed(
            f"Not everything could be made:\n  {told}",
            f"Go on with `retake film --episode {episode.id}`, "
            f"or compile what there is with `retake compile {episode.id}`.",
        )


def report(session: Session, episode: Episode, film: Compilation, output: Path, size: int) -> None:
    loudness = f", {film.loudness_lufs:.1f} LUFS" if film.loudness_lufs is not None else ""
    facts = f"{show.clock(film.output_duration)}, {film.resolution or ''}, {show.size(size)}{loudness}"
    session.line(f"{output}: {facts}", style="bold green")
    session.emit(
        {
            "film": str(output.absolute()),
            "duration": film.output_duration,
            "size": size,
            "resolution": film.resolution,
            "fps": film.fps,
            "loudness_lufs": film.loudness_lufs,
            "segments_included": film.segments_included,
            "warnings": film.warnings,
            "project_id": episode.project_id,
            "episode_id": episode.id,
            "compilation_job_id": film.id,
        }
    )
