"""From a document to a film: the calls in their order, each stopped if the whole is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.api import AsyncRetake
from client.cleanup import stopping
from client.errors import AlreadyDecided, InvalidState, NotFound, RetakeError
from client.live import Live
from client.models import Batch, Compilation, Episode, Import, Kind, Review, Run, RunStatus, StartedCompilation
from client.script.document import Document, Picture
from client.script.pictures import Photograph
from client.transfers import OnProgress, as_file

IMPORT_POLL_S = 0.25


class MakingFailed(RetakeError):
    """Work that was started ended without what it was to make."""


@dataclass(frozen=True)
class Accept:
    rating: int | None = None
    feedback: str | None = None


@dataclass(frozen=True)
class Reject:
    """`changes` are merged into the next try (as in api.md); without any, it is made again with another seed."""

    feedback: str | None = None
    changes: dict[str, Any] | None = None
    rating: int | None = None
    regenerate: bool = True


Decide = Callable[[Run], Awaitable[Accept | Reject]]
"""Asks somebody about a run whose preview waits."""


async def upload_pictures(
    client: AsyncRetake,
    project_id: str,
    document: Document,
    pictures: dict[int, Photograph],
    on_progress: OnProgress | None = None,
) -> Document:
    """The document with its pictures (by index of their segment) uploaded. The same file goes up once."""
    sizes = {p.path: p.path.stat().st_size for p in pictures.values()}
    total, before = sum(sizes.values()), 0
    uploaded: dict[Path, str] = {}
    for picture in pictures.values():
        if picture.path in uploaded:
            continue
        report = _shifted(on_progress, before, total)
        found = await client.uploads.create(
            project_id, picture.path, content_type=picture.content_type, on_progress=report
        )
        uploaded[picture.path] = found.id
        before += sizes[picture.path]
    segments = list(document.segments)
    for index, picture in pictures.items():
        image = Picture(upload_id=uploaded[picture.path])
        segments[index] = segments[index].model_copy(update={"starting_image": image})
    return document.model_copy(update={"segments": segments})


async def import_document(client: AsyncRetake, project_id: str, document: Document) -> tuple[str, list[str]]:
    """Make the episode. Returns its id and the gateway's warnings; raises MakingFailed if it cannot be made."""
    return await follow_import(client, client.imports.create(project_id, document=document.as_json()))


async def follow_import(
    client: AsyncRetake,
    start: Coroutine[Any, Any, Import],
    on_percent: Callable[[float], None] = lambda _percent: None,
) -> tuple[str, list[str]]:
    """The episode that an import makes, and the gateway's warnings. Raises MakingFailed; cancels it if interrupted."""
    async with stopping(start, lambda started: client.imports.cancel(started.id)) as found:
        while not found.status.at_rest:
            await asyncio.sleep(IMPORT_POLL_S)
            found = await client.imports.get(found.id)
            on_percent(found.percent or 0.0)
    return _imported(found)


async def make_all(
    client: AsyncRetake,
    live: Live,
    decide: Decide | None,
    *,
    on_review: Callable[[Run, Review], None] = lambda _run, _review: None,
    **policy: Any,
) -> Batch:
    """Make what the episode lacks, asking about every preview as it arrives. Returns the batch at its end.

    `decide` None accepts everything unseen. `policy` goes to batches.create.
    """
    policy = {"deadline_minutes": None, "auto_approve": decide is None, **policy}
    start = client.batches.create(live.board.episode_id, **policy)
    async with stopping(start, lambda started: client.batches.cancel(started.id)) as started:
        decided: set[str] = set()
        while True:
            batch = await live.batch(started.id)
            if batch.status.terminal:
                return batch
            waiting = [c.run_id for c in live.waiting() if c.run_id and c.run_id not in decided]
            if not waiting:
                await live.next_change()
                continue
            decided.add(waiting[0])
            # Also where everything is accepted unseen: a preview from before this batch still waits for somebody.
            review = await review_run(client, waiting[0], decide or _accept)
            if review is not None:
                on_review(*review)


async def _accept(_run: Run) -> Accept | Reject:
    return Accept()


async def review_run(client: AsyncRetake, run_id: str, decide: Decide) -> tuple[Run, Review] | None:
    """Ask and submit. None if somebody else decided, or the run has gone meanwhile: there is nothing left to do."""
    run = await client.runs.get(run_id)
    if run.status is not RunStatus.PREVIEW_READY or not run.versions:
        return None
    try:
        return run, await submit(client, run, await decide(run))
    except (AlreadyDecided, InvalidState, NotFound):
        return None


async def submit(client: AsyncRetake, run: Run, decision: Accept | Reject, version_id: str | None = None) -> Review:
    """The decision about the version that was shown."""
    seen = version_id or (run.versions[0].id if run.versions else None)
    match decision:
        case Accept(rating=rating, feedback=feedback):
            return await client.runs.approve(run.id, version_id=seen, rating=rating, feedback=feedback)
        case Reject(feedback=feedback, changes=changes, rating=rating, regenerate=regenerate):
            return await client.runs.reject(
                run.id,
                version_id=seen,
                rating=rating,
                feedback=feedback,
                suggested_changes=changes,
                regenerate=regenerate,
            )


async def compile_film(client: AsyncRetake, live: Live, **how: Any) -> tuple[StartedCompilation, Compilation]:
    """Make the film of what is committed. Raises MakingFailed if that fails; `how` goes to compilations.create."""
    start = client.compilations.create(live.board.episode_id, **how)
    async with stopping(start, lambda started: client.compilations.cancel(started.compilation_job_id)) as started:
        film = await live.compilation(started.compilation_job_id)
    if film.status != "completed":
        raise MakingFailed(film.error_message or f"The compilation was {film.status}.", film.recovery or "")
    return started, film


async def download_film(
    client: AsyncRetake, film: Compilation, target: Path, on_progress: OnProgress | None = None
) -> int:
    """Fetch the film with its Content Credentials: the gateway holds back the answer until it is signed, for as long
    as that may take. Returns its size in bytes."""

    async def url() -> str:
        found = (await client.compilations.get(film.id)).output_video_url
        if not found:
            raise MakingFailed("The film has no file any more.", "Compile the episode again.")
        return as_file(found)

    where = as_file(film.output_video_url) if film.output_video_url else await url()
    return await client.download(where, target, on_progress=on_progress, renew_url=url)


def check_pictures(episode: Episode, document: Document, warnings: list[str]) -> None:
    """Raise MakingFailed if a picture did not get in: what is drawn in its place is not what was asked for."""
    given = [n for n, s in enumerate(document.segments, 1) if s.starting_image or s.starting_image_url]
    segments = [s for n in given if (s := episode.segment(n))]
    images = [(s.segment_number, episode.asset(Kind.STARTING_IMAGE, s.id)) for s in segments]
    missing = [str(number) for number, image in images if image is None or image.committed is None]
    if missing:
        raise MakingFailed(
            f"The picture of segment {', '.join(missing)} could not be used. {' '.join(warnings)}".strip(),
            f"The episode is {episode.id}: try again, with other pictures if need be.",
        )


def failures(batch: Batch) -> list[str]:
    """What the batch has left, a line each, with what to do about it."""
    lines = []
    for item in batch.items:
        if item.problem is None:
            continue
        what = f"Segment {item.segment_number}'s {item.kind.words}" if item.segment_number else item.kind.words.title()
        lines.append(" ".join(p for p in (f"{what}: {item.problem.text}", item.problem.recovery) if p))
    return lines


def _imported(found: Import) -> tuple[str, list[str]]:
    if found.episode_id is None or found.status != "completed":
        error = found.error
        raise MakingFailed(
            (error.text if error else "") or f"The import was {found.status}.", (error.recovery or "") if error else ""
        )
    return found.episode_id, [_warning(w) for w in found.warnings]


def _warning(warning: Any) -> str:
    if isinstance(warning, dict):
        return str(warning.get("message") or warning.get("cause") or warning.get("detail") or warning)
    return str(warning)


def _shifted(on_progress: OnProgress | None, before: int, total: int) -> OnProgress | None:
    """One bar over several files."""
    return (lambda done, _: on_progress(before + done, total)) if on_progress else None
