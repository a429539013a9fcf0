"""`retake export`: a film's timeline with its media, for an editing program."""

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
from client.cli import show
from client.cli.codes import UsageError, WorkFailed
from client.cli.command import command
from client.cli.completion import episodes
from client.cli.films import find_film
from client.cli.options import ProjectOption
from client.cli.screen import transfer
from client.cli.session import Session
from client.cli.targets import is_id
from client.errors import NotFound, ProblemError
from client.models import Compilation
from client.production import download_film
from client.transfers import OnProgress

_TIMELINE: Final = "timeline.otio"
Fetch = Callable[[Path, OnProgress], Awaitable[int]]


@command
async def export(
    session: Session,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="FILM_OR_EPISODE",
            help="A film's id, or an episode's id or title: its newest film.  [default: the newest episode]",
            autocompletion=episodes,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR|FILE.zip", help="A folder, or an archive of one.")
    ] = Path("handover"),
    with_film: Annotated[bool, typer.Option("--with-film", help="The finished film, too, as film.mp4.")] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite what is there.")] = False,
    project: ProjectOption = None,
) -> None:
    """Hand a film over to an editing program: its timeline (OpenTimelineIO), media and captions.

    The media are the very versions that the film was made of, in full length, so that cuts and transitions can be
    moved. Open timeline.otio with DaVinci Resolve, or with any program through the OpenTimelineIO adapters.
    """
    _may_write(output, force)
    async with session.connect() as client:
        film = await _film(client, what, project)
        with _beside(output) as folder:
            sizes = await _fetch_all(session, client, film, folder, with_film)
            await asyncio.to_thread(_move, folder, output)
    total = sum(sizes.values())
    session.line(f"{output}: {_TIMELINE} and {len(sizes) - 1} other files, {show.size(total)}", style="bold green")
    session.emit(
        {
            "output": str(output.absolute()),
            "compilation_job_id": film.id,
            "episode_id": film.episode_id,
            "files": sorted(sizes),
            "size": total,
        }
    )


def _may_write(output: Path, force: bool) -> None:
    """Everything that can be refused is refused before anything is fetched."""
    if not output.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {output.absolute().parent}.", "Make it, or choose another -o.")
    if _is_archive(output):
        if output.is_dir():
            raise UsageError(f"{output} is a folder.", "Give another name with -o.")
        taken = output.exists()
    else:
        if output.exists() and not output.is_dir():
            raise UsageError(f"{output} is a file.", "Give a folder, or a name that ends in .zip, with -o.")
        taken = output.is_dir() and any(output.iterdir())
    if taken and not force:
        raise UsageError(f"{output} exists.", "Choose another -o, or overwrite it with --force.")


def _is_archive(output: Path) -> bool:
    return output.suffix.lower() == ".zip"


async def _film(client: AsyncRetake, what: str | None, project: str | None) -> Compilation:
    try:
        film = await find_film(client, what if what and is_id(what) else None, what, project)
    except NotFound:
        film = await find_film(client, None, what, project)
    if film.status != "completed":
        raise UsageError(f"This film is {film.status}.", "`retake films list` shows those that are completed.")
    if not film.timeline_url:
        raise UsageError("This film has no timeline.", f"Compile it again: `retake compile {film.episode_id}`.")
    return film


async def _fetch_all(
    session: Session, client: AsyncRetake, film: Compilation, folder: Path, with_film: bool
) -> dict[str, int]:
    """Bytes by name. The timeline says which media there are; it comes first, since it names them."""

    def of_film(rendition: str) -> Fetch:
        return lambda target, told: client.media.save("films", film.id, target, rendition, on_progress=told)

    def of_version(version_id: str) -> Fetch:
        return lambda target, told: client.media.save("versions", version_id, target, on_progress=told)

    timeline = folder / _TIMELINE
    sizes = {_TIMELINE: await _fetch(session, _TIMELINE, timeline, of_film(_TIMELINE))}
    wanted = {file: of_version(version) for file, version in media_of(timeline.read_bytes()).items()}
    if film.captions_url:
        wanted["captions.vtt"] = of_film("captions.vtt")
    if film.subtitles_url:
        wanted["captions.srt"] = of_film("captions.srt")
    if with_film:
        wanted["film.mp4"] = lambda target, told: download_film(client, film, target, told)
    for number, (name, fetch) in enumerate(wanted.items(), 1):
        sizes[name] = await _fetch(session, f"{number}/{len(wanted)} {name}", folder / name, fetch)
    return sizes


async def _fetch(session: Session, label: str, target: Path, fetch: Fetch) -> int:
    if not session.live:
        session.line(label)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with transfer(session, label) as told:
            return await fetch(target, told)
    except ProblemError as error:
        if error.status not in (404, 410):
            raise
        raise WorkFailed(
            f"{target.name} is not there any more: {error}",
            "Compile the episode again; the new film's versions are kept.",
        ) from error


def media_of(document: bytes) -> dict[str, str]:
    """Version ids by file, of an OpenTimelineIO document that the compiler wrote. Raises WorkFailed."""
    try:
        found = {r["target_url"]: r["metadata"]["retake"]["version_id"] for r in _references(json.loads(document))}
    except (ValueError, KeyError, TypeError) as error:
        raise WorkFailed(f"{_TIMELINE} cannot be read: {error!r}", "Compile the episode again.") from error
    for file in found:
        place = PurePosixPath(file)
        if place.is_absolute() or ".." in place.parts or "\\" in file or ":" in file:
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
def _beside(output: Path) -> Iterator[Path]:
    """A folder that is gone afterwards: whatever ends it early, nothing half done is left under the name asked for."""
    folder = output.absolute().with_name(f".{output.absolute().name}.part-{os.getpid()}")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, output: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    if _is_archive(output):
        packed = folder / ".zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # media do not get smaller
            for file in files:
                archive.write(file, file.relative_to(folder))
        os.replace(packed, output)
        return
    for file in files:
        target = output / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
