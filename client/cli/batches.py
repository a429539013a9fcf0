"""`retake generate`, `retake render` and `retake batch`: generate the assets of many segments."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from client.cleanup import cancel_on_error
from client.cli import formatting
from client.cli.command import command
from client.cli.estimates import DryRun, report_estimate
from client.cli.exit_codes import UsageError, WorkFailed
from client.cli.film_options import FilmOptions, FilmSettings, parse_segments
from client.cli.films import OutputOption, save_film
from client.cli.follow import follow_batch, follow_film
from client.cli.lookup import find_episode
from client.cli.options import Force, ProjectOption, SubjectEpisode, check_output_file
from client.cli.session import Session
from client.film_workflow import failures
from client.models import Batch, BatchStatus
from client.resources.batches import UNSET

app = typer.Typer(no_args_is_help=True, help="Batches: list, show, pause, resume, skip, cancel.")
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="Id of the batch, see `retake batch list`.")]
AtOnce = Annotated[
    int | None, typer.Option("--at-once", min=1, max=50, metavar="N", help="Maximum number of concurrent runs.")
]
SkipFirst = Annotated[int | None, typer.Option("--skip-first", min=0, metavar="N", help="Skip the first N segments.")]


@command
async def generate(
    session: Session,
    episode: SubjectEpisode = None,
    parallel: Annotated[bool, typer.Option("--parallel", help="Generate several segments at the same time.")] = False,
    at_once: AtOnce = None,
    segments: Annotated[
        str | None, typer.Option("--segments", metavar="1,3", help="Only these segments.  [default: all]")
    ] = None,
    start_from: SkipFirst = None,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Accept all previews without review.")] = False,
    review_all: Annotated[
        bool, typer.Option("--review-all", help="Review images and narration, too, not only videos.")
    ] = False,
    deadline: Annotated[
        str | None,
        typer.Option("--deadline", metavar="MINUTES|none", help="Time limit of each review.  [default: the project's]"),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Wait until the batch ends or needs a review; Ctrl-C cancels the batch."),
    ] = True,
    dry_run: DryRun = False,
    project: ProjectOption = None,
) -> None:
    """Generate the missing assets of an episode, segment by segment. Each video waits for your review.

    Returns when a review is needed: decide with `retake review`; the batch then continues on its own.

    Examples:

    * `retake generate`
    * `retake generate --parallel --at-once 4`
    * `retake generate --episode "My film" --segments 2,3`
    """
    policy: dict[str, Any] = {
        "mode": "parallel" if parallel or at_once else "sequential",
        "batch_size": at_once,
        "start_from": start_from,
        "auto_approve": auto_approve,
        "review": "all" if review_all else None,
        "deadline_minutes": _minutes(deadline),
    }
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        if dry_run:
            wanted = {name: policy[name] for name in ("mode", "batch_size", "start_from")}
            chosen = parse_segments(found, segments)
            report_estimate(session, await client.batches.estimate(found.id, segment_ids=chosen, **wanted))
            return
        start = client.batches.create(found.id, segment_ids=parse_segments(found, segments), **policy)
        async with cancel_on_error(start, lambda started: client.batches.cancel(started.id)) as batch:
            if wait:
                batch = await follow_batch(session, client, found, batch.id)
    session.emit(batch)
    _report(session, batch)


@command
async def render(
    session: Session,
    episode: SubjectEpisode = None,
    output: OutputOption = None,
    at_once: AtOnce = None,
    segments: FilmOptions.Segments = None,
    transition: FilmOptions.Transition = None,
    at: FilmOptions.At = None,
    no_music: FilmOptions.NoMusic = False,
    loudness: FilmOptions.Loudness = -16,
    sound: FilmOptions.Sound = None,
    music_gain: FilmOptions.MusicGain = None,
    no_normalization: FilmOptions.NoNormalization = False,
    true_peak: FilmOptions.TruePeak = None,
    narration_gain: FilmOptions.NarrationGain = None,
    narration_offset: FilmOptions.NarrationOffset = None,
    captions: FilmOptions.Captions = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the film; Ctrl-C cancels it.")] = True,
    dry_run: DryRun = False,
    force: Force = False,
    project: ProjectOption = None,
) -> None:
    """Generate all segments, accept them without review, and compile the film.

    Examples:

    * `retake render --episode "My film" -o film.mp4`
    * `retake render --at-once 4 --transition fade --captions burned`
    """
    settings = FilmSettings(
        segments, transition, at, no_music, loudness, sound, music_gain, captions, no_normalization, true_peak,
        narration_gain, narration_offset,
    )  # fmt: skip
    if output and not wait:
        raise UsageError("--output needs the film, and --no-wait does not wait for it.", "Leave one out.")
    if output:
        check_output_file(output, force=force)
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        if dry_run:
            chosen = parse_segments(found, segments)
            estimate = await client.batches.estimate_render(found.id, batch_size=at_once, segment_ids=chosen)
            report_estimate(session, estimate)
            return
        start = client.batches.render(found.id, batch_size=at_once, **settings.fields(found))
        async with cancel_on_error(start, lambda started: client.batches.cancel(started.id)) as batch:
            if not wait:
                session.emit(batch)
                _report(session, batch)
                return
            batch = await follow_batch(session, client, found, batch.id)
        if batch.compilation_job_id is None:
            session.emit(batch)
            _report(session, batch)
            raise WorkFailed(batch.message or "The batch ended without a film.", "See `retake batch show`.")
        film = await follow_film(session, client, found, batch.compilation_job_id)
        if output:
            await save_film(session, client, found, film, output)
            return
    session.line(f"The film is ready: retake films download {film.id}", style="green")
    session.emit(film)


@app.command("list")
@command
async def list_(session: Session, episode: SubjectEpisode = None, project: ProjectOption = None) -> None:
    """List the batches of an episode, newest first."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        batches = await client.batches.all(found.id)
    if not session.as_json:
        table = formatting.table("=Batch", "Mode", "Status", "#Approved", "#Failed", "#Total", "Age")
        for batch in batches:
            counts = (str(batch.approved), str(batch.failed), str(batch.total))
            table.add_row(
                batch.id, batch.mode or "", formatting.state(batch.status), *counts, formatting.ago(batch.created_at)
            )
        if batches:
            session.table(table)
        else:
            session.line("No batches yet. Start one with `retake generate`.")
    session.emit({"episode_id": found.id, "batches": batches})


@app.command("show")
@command
async def show(session: Session, batch: BatchId) -> None:
    """Show the items of a batch, with the problems of those that failed."""
    async with session.connect() as client:
        found = await client.batches.get(batch)
    if not session.as_json:
        table = formatting.table("#Seg", "Kind", "Status", "Run")
        for item in found.items:
            state = formatting.state(item.state)
            table.add_row(str(item.segment_number or "♪"), item.kind.words, state, item.run_id or "")
        session.table(table)
        _print_summary(session, found, failures(found))
    session.emit(found)


@app.command("pause")
@command
async def pause(session: Session, batch: BatchId) -> None:
    """Start no further runs; those that are running are completed."""
    async with session.connect() as client:
        found = await client.batches.pause(batch)
    session.line(f"Paused. Continue with: retake batch resume {found.id}")
    session.emit(found)


@app.command("resume")
@command
async def resume(
    session: Session,
    batch: BatchId,
    skip: Annotated[str | None, typer.Option("--skip", metavar="2,3", help="Skip these segments.")] = None,
    skip_held: Annotated[bool, typer.Option("--skip-held", help="Skip the segments that block the batch now.")] = False,
    start_from: SkipFirst = None,
) -> None:
    """Continue a batch that is paused, or that a rejected segment blocks."""
    if skip and skip_held:
        raise UsageError("--skip and --skip-held exclude each other.", "Omit one of them.")
    async with session.connect() as client:
        found = await client.batches.get(batch)
        skipped = parse_segments(await client.episodes.get(found.episode_id or ""), skip) if skip else None
        held = True if skip_held else None
        found = await client.batches.resume(batch, start_from=start_from, skip=skipped, skip_held=held)
    session.line(f"Batch {found.id}: {found.status.replace('_', ' ')}. Follow it with: retake watch")
    session.emit(found)


@app.command("cancel")
@command
async def cancel(session: Session, batch: BatchId) -> None:
    """Cancel a batch and its active runs. Committed versions are kept."""
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
        raise UsageError(f"--deadline {given!r} is not a number of minutes.", "Give a number, or `none`.")
    return int(given)


def _report(session: Session, batch: Batch) -> None:
    """Print the summary. Raises WorkFailed if some assets could not be generated."""
    problems = failures(batch)
    _print_summary(session, batch, problems)
    if problems or batch.status is BatchStatus.FAILED:
        raise WorkFailed("Some assets could not be generated.", "Regenerate them, or compile the available segments.")


def _print_summary(session: Session, batch: Batch, problems: list[str]) -> None:
    """The status of the batch, the next step, and the problems."""
    session.line(f"Batch {batch.id}: {batch.message or batch.status.replace('_', ' ')}", style="bold")
    match batch.status:
        case BatchStatus.WAITING_REVIEW:
            session.line("Decide with: retake review")
        case BatchStatus.PAUSED:
            session.line(f"Continue with: retake batch resume {batch.id}")
        case BatchStatus.COMPLETED if not problems and batch.compilation_job_id is None:
            session.line("Compile the film with: retake compile")
    for line in problems:
        session.line(f"  {line}", style="red")
