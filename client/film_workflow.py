"""The workflow from a document to a film. Each step is cancelled at the gateway if it is interrupted here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.api import AsyncRetake
from client.cleanup import cancel_on_error
from client.episode_watcher import EpisodeWatcher
from client.errors import AlreadyDecided, ClientError, InvalidState, NotFound
from client.models import AssetKind, Batch, Compilation, Episode, Import, Review, Run, RunStatus, StartedCompilation
from client.script.document import Document, Picture
from client.script.pictures import Photograph
from client.transfers import OnProgress, download_link

IMPORT_POLL_S = 0.25


class WorkflowFailed(ClientError):
    """An import, a run or a compilation ended without its result."""


@dataclass(frozen=True)
class Accept:
    rating: int | None = None
    feedback: str | None = None


@dataclass(frozen=True)
class Reject:
    """`changes` (the API's `suggested_changes`) apply to the next run; without any, it uses another seed."""

    feedback: str | None = None
    changes: dict[str, Any] | None = None
    rating: int | None = None
    regenerate: bool = True
    note_ids: tuple[str, ...] = ()


Decide = Callable[[Run], Awaitable[Accept | Reject]]
"""Asks for the decision about a run whose preview is ready."""


async def upload_pictures(
    client: AsyncRetake,
    project_id: str,
    document: Document,
    pictures: dict[int, Photograph],
    on_progress: OnProgress | None = None,
) -> Document:
    """Upload pictures (by the index of their segment), each file once. Returns the document that refers to them."""
    sizes = {p.path: p.path.stat().st_size for p in pictures.values()}
    total, done = sum(sizes.values()), 0
    upload_ids: dict[Path, str] = {}
    for picture in pictures.values():
        if picture.path in upload_ids:
            continue
        upload = await client.uploads.create(
            project_id,
            picture.path,
            content_type=picture.content_type,
            on_progress=_with_offset(on_progress, done, total),
        )
        upload_ids[picture.path] = upload.id
        done += sizes[picture.path]
    segments = list(document.segments)
    for index, picture in pictures.items():
        image = Picture(upload_id=upload_ids[picture.path])
        segments[index] = segments[index].model_copy(update={"starting_image": image})
    return document.model_copy(update={"segments": segments})


async def import_document(
    client: AsyncRetake, project_id: str, document: Document, output: dict[str, Any] | None = None
) -> tuple[str, list[str]]:
    """Create the episode, with the fields of `output` instead of the document's. Returns its id and the gateway's
    warnings. Raises WorkflowFailed."""
    return await follow_import(client, client.imports.create(project_id, document=document.as_json(), output=output))


async def follow_import(
    client: AsyncRetake,
    start: Coroutine[Any, Any, Import],
    on_percent: Callable[[float], None] = lambda _percent: None,
) -> tuple[str, list[str]]:
    """Wait for an import. Returns the id of its episode and the gateway's warnings. Raises WorkflowFailed."""
    async with cancel_on_error(start, lambda started: client.imports.cancel(started.id)) as current:
        while not current.status.at_rest:
            await client.transport.timing.sleep(IMPORT_POLL_S)
            current = await client.imports.get(current.id)
            on_percent(current.percent or 0.0)
    if current.episode_id is None or current.status != "completed":
        error = current.error
        raise WorkflowFailed(
            (error.text if error else "") or f"The import was {current.status}.",
            (error.recovery or "") if error else "",
        )
    return current.episode_id, [_warning_text(w) for w in current.warnings]


async def generate_missing(
    client: AsyncRetake,
    watcher: EpisodeWatcher,
    decide: Decide | None,
    *,
    on_review: Callable[[Run, Review], None] = lambda _run, _review: None,
    **policy: Any,
) -> Batch:
    """Generate the missing assets of an episode, and have every preview decided. Returns the completed batch.

    `decide` None accepts all previews without review. `policy` has further arguments of `batches.create`.
    """
    policy = {"deadline_minutes": None, "auto_approve": decide is None, **policy}
    start = client.batches.create(watcher.progress.episode_id, **policy)
    async with cancel_on_error(start, lambda started: client.batches.cancel(started.id)) as started:
        decided: set[str] = set()
        while True:
            batch = await watcher.batch(started.id)
            if batch.status.terminal:
                return batch
            waiting = [a.run_id for a in watcher.waiting() if a.run_id and a.run_id not in decided]
            if not waiting:
                await watcher.next_change()
                continue
            decided.add(waiting[0])
            # Even if all previews are accepted: one from before this batch is still waiting for a decision.
            review = await review_run(client, waiting[0], decide or _accept)
            if review is not None:
                on_review(*review)


async def _accept(_run: Run) -> Accept | Reject:
    return Accept()


async def review_run(client: AsyncRetake, run_id: str, decide: Decide) -> tuple[Run, Review] | None:
    """Ask for a decision and submit it. None if the run has been decided, or deleted, in the meantime."""
    run = await client.runs.get(run_id)
    if run.status is not RunStatus.PREVIEW_READY or not run.versions:
        return None
    try:
        return run, await submit(client, run, await decide(run))
    except (AlreadyDecided, InvalidState, NotFound):
        return None


async def submit(client: AsyncRetake, run: Run, decision: Accept | Reject, version_id: str | None = None) -> Review:
    """Submit the decision about a version of the run. By default about its only version; a rejection closes every
    variant. Of several variants the gateway accepts none without `version_id`: it raises Invalid."""
    if version_id is None and len(run.versions) == 1:
        version_id = run.versions[0].id
    match decision:
        case Accept(rating=rating, feedback=feedback):
            return await client.reviews.approve(run.id, version_id=version_id, rating=rating, feedback=feedback)
        case Reject(feedback=feedback, changes=changes, rating=rating, regenerate=regenerate, note_ids=note_ids):
            return await client.reviews.reject(
                run.id,
                version_id=version_id,
                rating=rating,
                feedback=feedback,
                suggested_changes=changes,
                regenerate=regenerate,
                note_ids=note_ids,
            )


async def compile_film(
    client: AsyncRetake, watcher: EpisodeWatcher, **options: Any
) -> tuple[StartedCompilation, Compilation]:
    """Compile the committed versions. `options` has further arguments of `films.create`. Raises WorkflowFailed."""
    start = client.films.create(watcher.progress.episode_id, **options)
    async with cancel_on_error(start, lambda started: client.films.cancel(started.compilation_job_id)) as started:
        film = await watcher.compilation(started.compilation_job_id)
    if film.status != "completed":
        raise WorkflowFailed(film.error_message or f"The compilation was {film.status}.", film.recovery or "")
    return started, film


async def download_film(
    client: AsyncRetake, film: Compilation, target: Path, on_progress: OnProgress | None = None
) -> int:
    """Download the film with its Content Credentials: the gateway delays its response until the film is signed.

    Returns its size in bytes. Raises WorkflowFailed if the file was deleted.
    """

    async def fresh_url() -> str:
        url = (await client.films.get(film.id)).output_video_url
        if not url:
            raise WorkflowFailed("The file of the film was deleted.", "Compile the episode again.")
        return download_link(url)

    url = download_link(film.output_video_url) if film.output_video_url else await fresh_url()
    return await client.download(url, target, on_progress=on_progress, renew_url=fresh_url)


def check_pictures(episode: Episode, document: Document, warnings: list[str]) -> None:
    """Raise WorkflowFailed if a picture was not imported: the generated image in its place would be a surprise."""
    numbers = [n for n, s in enumerate(document.segments, 1) if s.starting_image or s.starting_image_url]
    segments = [s for n in numbers if (s := episode.segment(n))]
    images = [(s.segment_number, episode.asset(AssetKind.STARTING_IMAGE, s.id)) for s in segments]
    missing = [str(number) for number, image in images if image is None or image.committed is None]
    if missing:
        raise WorkflowFailed(
            f"The picture of segment {', '.join(missing)} could not be imported. {' '.join(warnings)}".strip(),
            f"Try again, if necessary with other pictures. The episode is {episode.id}.",
        )


def failures(batch: Batch) -> list[str]:
    """One line for each failed item of the batch, with its recovery."""
    lines = []
    for item in batch.items:
        if item.problem is None:
            continue
        asset = f"Segment {item.segment_number}'s {item.kind.words}" if item.segment_number else item.kind.words.title()
        lines.append(" ".join(p for p in (f"{asset}: {item.problem.text}", item.problem.recovery) if p))
    return lines


def _warning_text(warning: Any) -> str:
    if isinstance(warning, dict):
        return str(warning.get("message") or warning.get("cause") or warning.get("detail") or warning)
    return str(warning)


def _with_offset(on_progress: OnProgress | None, offset: int, total: int) -> OnProgress | None:
    """The progress of one file as part of the progress of all files."""
    return (lambda done, _: on_progress(offset + done, total)) if on_progress else None
