"""`retake export`: the timeline of a film with its media, for an editing program."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

import typer

from client.api import AsyncRetake
from client.cli import formatting
from client.cli.command import command
from client.cli.completion import episodes
from client.cli.exit_codes import UsageError, WorkFailed
from client.cli.films import find_film
from client.cli.lookup import is_id
from client.cli.options import EpisodeOption, Force, ProjectOption, check_output_file
from client.cli.screen import transfer
from client.cli.session import Session
from client.errors import NotFound, ProblemError
from client.film_workflow import download_film
from client.models import Compilation
from client.transfers import OnProgress

_TIMELINE: Final = "timeline.otio"
Download = Callable[[Path, OnProgress], Awaitable[int]]


@command
async def export(
    session: Session,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="FILM",
            help="Id of the film.  [default: the newest of the episode]",
            autocompletion=episodes,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR|FILE.zip", help="Folder, or ZIP archive, to write.")
    ] = Path("handover"),
    with_film: Annotated[bool, typer.Option("--with-film", help="Include the finished film as film.mp4.")] = False,
    force: Force = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Export a film for an editing program: its timeline (OpenTimelineIO), media and captions.

    The media are the versions in the film, in full length, so that cuts and transitions can be moved. Open
    timeline.otio with DaVinci Resolve, or with another program through the OpenTimelineIO adapters.
    """
    _check_output(output, force)
    if source is not None and episode is not None:
        raise UsageError("FILM and --episode exclude each other.", "Leave one out.")
    async with session.connect() as client:
        film = await _find_film(client, source or episode, project)
        with _temporary_folder(output) as folder:
            sizes = await _download_all(session, client, film, folder, with_film)
            await asyncio.to_thread(_move, folder, output)
    total = sum(sizes.values())
    session.line(
        f"{output}: {_TIMELINE} and {len(sizes) - 1} other files, {formatting.size(total)}", style="bold green"
    )
    session.emit(
        {
            "output": str(output.absolute()),
            "compilation_job_id": film.id,
            "episode_id": film.episode_id,
            "files": sorted(sizes),
            "size": total,
        }
    )


def _check_output(output: Path, force: bool) -> None:
    """Raise UsageError, before anything is downloaded, if the export could not be written."""
    if _is_archive(output):
        check_output_file(output, force=force)
    else:
        if output.exists() and not output.is_dir():
            raise UsageError(f"{output} is a file.", "Give a folder, or a name that ends in .zip, with --output.")
        if not output.absolute().parent.is_dir():
            raise UsageError(
                f"The folder {output.absolute().parent} does not exist.", "Create it, or choose another --output."
            )
        if not force and output.is_dir() and any(output.iterdir()):
            raise UsageError(f"{output} exists.", "Choose another --output, or overwrite it with --force.")


def _is_archive(output: Path) -> bool:
    return output.suffix.lower() == ".zip"


async def _find_film(client: AsyncRetake, source: str | None, project: str | None) -> Compilation:
    """`source`: the id of a film, or the id or title of an episode."""
    try:
        film = await find_film(client, source if source and is_id(source) else None, source, project)
    except NotFound:
        film = await find_film(client, None, source, project)
    if film.status != "completed":
        raise UsageError(f"This film is {film.status}.", "See the completed films: retake films list")
    if not film.timeline_url:
        raise UsageError(
            "This film has no timeline.", f"Compile it again: `retake compile --episode {film.episode_id}`."
        )
    return film


async def _download_all(
    session: Session, client: AsyncRetake, film: Compilation, folder: Path, with_film: bool
) -> dict[str, int]:
    """Download the timeline, and the media that it names. Returns the sizes in bytes by file name."""

    def of_film(rendition: str) -> Download:
        return lambda target, on_progress: client.media.save(
            "films", film.id, target, rendition, on_progress=on_progress
        )

    def of_version(version_id: str) -> Download:
        return lambda target, on_progress: client.media.save("versions", version_id, target, on_progress=on_progress)

    timeline = folder / _TIMELINE
    sizes = {_TIMELINE: await _download(session, _TIMELINE, timeline, of_film(_TIMELINE))}
    downloads = {file: of_version(version) for file, version in media_of(timeline.read_bytes()).items()}
    if film.captions_url:
        downloads["captions.vtt"] = of_film("captions.vtt")
    if film.subtitles_url:
        downloads["captions.srt"] = of_film("captions.srt")
    if with_film:
        downloads["film.mp4"] = lambda target, on_progress: download_film(client, film, target, on_progress)
    for number, (name, download) in enumerate(downloads.items(), 1):
        sizes[name] = await _download(session, f"{number}/{len(downloads)} {name}", folder / name, download)
    return sizes


async def _download(session: Session, label: str, target: Path, download: Download) -> int:
    if not session.live:
        session.line(label)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with transfer(session, label) as on_progress:
            return await download(target, on_progress)
    except ProblemError as error:
        if error.status not in (404, 410):
            raise
        raise WorkFailed(
            f"{target.name} is no longer available: {error}",
            "Compile the episode again; the versions in the new film are kept.",
        ) from error


def media_of(document: bytes) -> dict[str, str]:
    """Version ids by file name, from an OpenTimelineIO document that the compiler wrote. Raises WorkFailed."""
    try:
        found = {r["target_url"]: r["metadata"]["retake"]["version_id"] for r in _references(json.loads(document))}
    except (ValueError, KeyError, TypeError) as error:
        raise WorkFailed(f"{_TIMELINE} cannot be read: {error!r}", "Compile the episode again.") from error
    for file in found:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or "\\" in file or ":" in file:
            raise WorkFailed(f"{_TIMELINE} names a file outside its folder: {file!r}", "Compile the episode again.")
    return found


def _references(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if str(node.get("OTIO_SCHEMA", "")).startswith("ExternalReference."):
            yield node
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


@contextmanager
def _temporary_folder(output: Path) -> Iterator[Path]:
    """A folder next to the output, deleted afterwards: an interrupted export leaves no incomplete output."""
    folder = output.absolute().with_name(f".{output.absolute().name}.part-{os.getpid()}")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, output: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if _is_archive(output):
        archive_path = folder / ".zip"
        with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_STORED) as archive:  # media cannot be compressed further
            for file in files:
                archive.write(file, file.relative_to(folder))
        os.replace(archive_path, output)
        return
    for file in files:
        target = output / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
