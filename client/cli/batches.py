"""`retake generate`, `retake render`, `retake batch`: making many segments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from client.cleanup import stopping
from client.cli import show
from client.cli.codes import UsageError, WorkFailed
from client.cli.command import command
from client.cli.compiling import FilmOptions, FilmWish, chosen
from client.cli.film import report
from client.cli.following import follow_batch, follow_film
from client.cli.options import EpisodeArgument, ProjectOption
from client.cli.screen import transfer
from client.cli.session import Session
from client.cli.targets import find_episode
from client.models import Batch, BatchStatus
from client.production import download_film, failures
from client.resources.work import UNSET

app = typer.Typer(no_args_is_help=True, help="Batches: list, show, pause, resume, skip, cancel.")
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="Its id, as `retake generate` or `batch list` show it.")]
Size = Annotated[int | None, typer.Option("--at-once", min=1, max=50, metavar="N", help="Runs at once.")]

SkipFirst = Annotated[
    int | None, typer.Option("--skip-first", min=0, metavar="N", help="Leave out the first N segments.")
]


@command
async def generate(
    session: Session,
    episode: EpisodeArgument = None,
    parallel: Annotated[bool, typer.Option("--parallel", help="Not one segment after the other.")] = False,
    at_once: Size = None,
    segments: Annotated[str | None, typer.Option("--segments", metavar="1,3", help="Only these.")] = None,
    start_from: SkipFirst = None,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Accept everything unseen.")] = False,
    review_all: Annotated[
        bool, typer.Option("--review-all", help="Images and narration wait too, not only videos.")
    ] = False,
    deadline: Annotated[
        str | None,
        typer.Option("--deadline", metavar="MINUTES|none", help="How long a preview waits.  [default: the project's]"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until it rests; Ctrl-C then cancels the batch.")
    ] = True,
    project: ProjectOption = None,
) -> None:
    """Make what an episode lacks, segment by segment: each video waits for your review.

    Ends when something waits for you: decide with `retake review`, and the batch goes on by itself.

    Examples:

    * `retake generate`
    * `retake generate --parallel --at-once 4`
    * `retake generate "My film" --segments 2,3`
    """
    how: dict[str, Any] = {
        "mode": "parallel" if parallel or at_once else "sequential",
        "batch_size": at_once,
        "start_from": start_from,
        "auto_approve": auto_approve,
        "review": "all" if review_all else None,
        "deadline_minutes": _minutes(deadline),
    }
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        start = client.batches.create(found.id, segment_ids=chosen(found, segments), **how)
        async with stopping(start, lambda started: client.batches.cancel(started.id)) as batch:
            if wait:
                batch = await follow_batch(session, client, found, batch.id)
    session.emit(batch)
    _tell(session, batch)


@command
async def render(
    session: Session,
    episode: EpisodeArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Download the film. It is overwritten.")
    ] = None,
    at_once: Size = None,
    segments: FilmOptions.Segments = None,
    transition: FilmOptions.Transition = None,
    at: FilmOptions.At = None,
    no_music: FilmOptions.NoMusic = False,
    loudness: FilmOptions.Loudness = -16,
    sound: FilmOptions.Sound = None,
    music_gain: FilmOptions.MusicGain = None,
    captions: FilmOptions.Captions = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the film; Ctrl-C then cancels it.")] = True,
    project: ProjectOption = None,
) -> None:
    """Make all segments, accept them unseen, and compile the film: the old way in one command.

    Examples:

    * `retake render "My film" -o film.mp4`
    * `retake render --at-once 4 --transition fade --captions burned`
    """
    wish = FilmWish(segments, transition, at, no_music, loudness, sound, music_gain, captions)
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        start = client.batches.render(found.id, batch_size=at_once, **wish.of(found))
        async with stopping(start, lambda started: client.batches.cancel(started.id)) as batch:
            if not wait:
                session.emit(batch)
                _tell(session, batch)
                return
            batch = await follow_batch(session, client, found, batch.id)
        if batch.compilation_job_id is None:
            session.emit(batch)
            _tell(session, batch)
            raise WorkFailed(batch.message or "There is no film.", "See `retake batch show`.")
        made = await follow_film(session, client, found, batch.compilation_job_id)
        if output:
            with transfer(session, output.name) as told:
                size = await download_film(client, made, output, told)
            report(session, found, made, output, size)
            return
    session.line(f"The film is ready: retake films download {made.id}", style="green")
    session.emit(made)


@app.command("list")
@command
async def list_(session: Session, episode: EpisodeArgument = None, project: ProjectOption = None) -> None:
    """List an episode's batches, newest first."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        batches = await client.batches.all(found.id)
    if not session.as_json:
        table = show.table("=Batch", "Mode", "State", "#Approved", "#Failed", "#Of", "Age")
        for batch in batches:
            counts = (str(batch.approved), str(batch.failed), str(batch.total))
            table.add_row(batch.id, batch.mode or "", show.state(batch.status), *counts, show.ago(batch.created_at))
        if batches:
            session.table(table)
        else:
            session.line("No batches yet. Start one with `retake generate`.")
    session.emit({"episode_id": found.id, "batches": batches})


@app.command("show")
@command
async def show_(session: Session, batch: BatchId) -> None:
    """Show a batch: what it makes, what it has left and why."""
    async with session.connect() as client:
        found = await client.batches.get(batch)
    if not session.as_json:
        table = show.table("#Seg", "Kind", "State", "Run")
        for item in found.items:
            state = show.state(item.state)
            table.add_row(str(item.segment_number or "♪"), item.kind.words, state, item.run_id or "")
        session.table(table)
        _tell(session, found, raising=False)
    session.emit(found)


@app.command("pause")
@command
async def pause(session: Session, batch: BatchId) -> None:
    """Start nothing new; what is being made is finished."""
    async with session.connect() as client:
        found = await client.batches.pause(batch)
    session.line(f"Paused. Go on with: retake batch resume {found.id}")
    session.emit(found)


@app.command("resume")
@command
async def resume(
    session: Session,
    batch: BatchId,
    skip: Annotated[str | None, typer.Option("--skip", metavar="2,3", help="Leave these segments out.")] = None,
    skip_held: Annotated[bool, typer.Option("--skip-held", help="Leave out what holds the batch now.")] = False,
    start_from: SkipFirst = None,
) -> None:
    """Go on with a batch that is paused, or that a rejected segment holds."""
    if skip and skip_held:
        raise UsageError("--skip and --skip-held exclude each other.", "Leave one out.")
    async with session.connect() as client:
        found = await client.batches.get(batch)
        left: list[str] | bool | None = True if skip_held else None
        if skip:
            left = chosen(await client.episodes.get(found.episode_id or ""), skip)
        found = await client.batches.resume(batch, start_from=start_from, skip=left)
    session.line(f"Batch {found.id}: {found.status.replace('_', ' ')}. Follow it with: retake watch")
    session.emit(found)


@app.command("cancel")
@command
async def cancel(session: Session, batch: BatchId) -> None:
    """Stop a batch and what it is making; what is committed stays."""
    async with session.connect() as client:
        found = await client.batches.cancel(batch)
    session.line(f"Batch {found.id}: {found.status.replace('_', ' ')}")
    session.emit(found)


def _minutes(given: str | None) -> Any:
    if given is None:
        return UNSET
    if given == "none":
        return None
    if not given.isdigit() or given == "0":
        raise UsageError(f"--deadline {given!r} is no number of minutes.", "Give a number, or `none`.")
    return int(given)


def _tell(session: Session, batch: Batch, *, raising: bool = True) -> None:
    """How it rests, and what to do next. Raises WorkFailed if something could not be made."""
    session.line(f"Batch {batch.id}: {batch.message or batch.status.replace('_', ' ')}", style="bold")
    left = failures(batch)
    match batch.status:
        case BatchStatus.WAITING_REVIEW:
            session.line("Decide with: retake review")
        case BatchStatus.PAUSED:
            session.line(f"Go on with: retake batch resume {batch.id}")
        case BatchStatus.COMPLETED if not left and batch.compilation_job_id is None:
            session.line("Make the film with: retake compile")
    for line in left:
        session.line(f"  {line}", style="red")
    if raising and (left or batch.status is BatchStatus.FAILED):
        raise WorkFailed("Not everything could be made.", "Regenerate what failed, or compile what there is.")
