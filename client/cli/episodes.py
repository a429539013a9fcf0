"""`retake episode`: create, import, list, show, reorder, edit and delete episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.film_options import parse_segments
from client.cli.film_plan import read_script
from client.cli.lookup import find_episode, find_or_create_project, find_project
from client.cli.options import Limit, NewProjectOption, ProjectOption, SubjectEpisode, Yes, named
from client.cli.prompts import confirm
from client.cli.screen import percent, transfer
from client.cli.session import Session
from client.episode_progress import AssetProgress, EpisodeProgress
from client.file_types import content_type, is_marked_text, may_be_film, media_kind
from client.film_workflow import follow_import, import_document, upload_pictures
from client.models import AssetKind, Episode, Project
from client.script.document import picture_paths
from client.script.pictures import check

app = typer.Typer(no_args_is_help=True, help="Episodes: create, import, list, show, reorder, edit, delete.")
SizeOption = Annotated[
    str | None, typer.Option("--size", metavar="WxH", help="Frame size of the film, such as 1080x1920.")
]
FpsOption = Annotated[
    str | None,
    typer.Option("--fps", metavar="RATE", help="Frame rate: 23.976, 24, 25, 29.97, 30, 50, 59.94, 60, or 24000/1001."),
]
DescriptionOption = Annotated[
    str | None, typer.Option("--description", metavar="TEXT", help="Description of the episode.")
]


@app.command("import")
@command
async def import_(
    session: Session,
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="Script (YAML or JSON) with its pictures next to it, or a film.")
    ],
    title: Annotated[
        str | None, typer.Option("--title", help="For a film: title of the episode.  [default: file name]")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--scene-threshold", min=0, max=1, help="For a film: lower values find more cuts.")
    ] = None,
    size: SizeOption = None,
    fps: FpsOption = None,
    project: NewProjectOption = None,
) -> None:
    """Create an episode from a script, or from an existing film, which is split at its cuts.

    A film keeps its shape, size and rate, unless --size and --fps say otherwise.

    Nothing is generated yet; see `retake generate`.

    Examples:

    * `retake episode import script.yaml`
    * `retake episode import old.mp4 --project Remakes`
    """
    if not source.is_file():
        raise UsageError(f"{source}: no such file.", "Give a script or a film.")
    if _is_film(source):
        await _import_film(session, source, title, threshold, parse_output(size, fps), project)
    elif title or threshold is not None:
        raise UsageError("--title and --scene-threshold apply to films only.", "Set the title in the script.")
    else:
        await _import_script(session, source, parse_output(size, fps), project)


def _is_film(source: Path) -> bool:
    """By its content: names say little, and not every machine knows every suffix."""
    if is_marked_text(source):
        return False
    found = content_type(source)
    named = media_kind(found)
    if named in ("image", "audio"):
        raise UsageError(
            f"{source} is an {named} file, not a film or a script.",
            "Give a video file or a script. To use the file as a version of an asset: retake upload",
        )
    with source.open("rb") as file:
        return may_be_film(found) or b"\0" in file.read(1024)


async def _import_film(
    session: Session,
    film: Path,
    title: str | None,
    threshold: float | None,
    output: dict[str, Any],
    project: str | None,
) -> None:
    async with session.connect() as client:
        parent = await find_or_create_project(client, project)
        with transfer(session, f"Uploading {film.name}") as on_progress:
            upload = await client.uploads.create(parent.id, film, on_progress=on_progress)
        start = client.imports.create(
            parent.id,
            upload_id=upload.id,
            title=title or film.stem,
            scene_threshold=threshold,
            output=output or None,
        )
        with percent(session, f"Splitting {film.name}") as on_percent:
            episode_id, warnings = await follow_import(client, start, on_percent)
        for warning in warnings:
            session.warn(warning)
        await _report(session, client, parent, episode_id, warnings)


async def _import_script(session: Session, script: Path, output: dict[str, Any], project: str | None) -> None:
    document, warnings = read_script(script)
    paths = picture_paths(document, script)
    pictures = dict(zip(paths, check(paths.values()), strict=True))
    for warning in warnings:
        session.warn(warning)
    async with session.connect() as client:
        parent = await find_or_create_project(client, project)
        with transfer(session, "Uploading") as on_progress:
            document = await upload_pictures(client, parent.id, document, pictures, on_progress)
        episode_id, import_warnings = await import_document(client, parent.id, document, output or None)
        for warning in import_warnings:
            session.warn(warning)
        await _report(session, client, parent, episode_id, [*warnings, *import_warnings])


async def _report(
    session: Session, client: AsyncRetake, project: Project, episode_id: str, warnings: list[str]
) -> None:
    episode = await client.episodes.get(episode_id)
    session.line(f"{episode.title}: {formatting.count(len(episode.segments), 'segment')}", style="bold green")
    session.line(f"Episode {episode.id} in project {project.name}")
    session.emit({"episode_id": episode.id, "project_id": project.id, "warnings": warnings})


@app.command("new")
@command
async def new(
    session: Session,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Title of the episode.")],
    description: DescriptionOption = None,
    size: SizeOption = None,
    fps: FpsOption = None,
    project: NewProjectOption = None,
) -> None:
    """Create an empty episode. Add segments with `retake segment add`."""
    output = parse_output(size, fps)
    async with session.connect() as client:
        parent = await find_or_create_project(client, project)
        created = await client.episodes.create(parent.id, title, description=description, output=output or None)
    session.line(f"{created.title}  {created.id}", style="bold green")
    session.emit(created)


@app.command("edit")
@command
async def edit(
    session: Session,
    episode: SubjectEpisode = None,
    title: Annotated[str | None, typer.Option("--title", metavar="TEXT", help="New title.")] = None,
    description: DescriptionOption = None,
    size: SizeOption = None,
    fps: FpsOption = None,
    fit: Annotated[
        str | None, typer.Option("--fit", help="Fit of media with another aspect ratio: crop, pad or blur.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Change the title, description or film format of an episode."""
    output = parse_output(size, fps) | ({"fit": fit} if fit else {})
    if title is None and description is None and not output:
        raise UsageError("Nothing to change.", "See the options: retake episode edit --help")
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        changed = await client.episodes.update(
            found.id, title=title, description=description, output=output or None, revision=found.revision
        )
    session.line(f"{changed.title}  {changed.id}", style="green")
    session.emit(changed)


@app.command("delete")
@command
async def delete(
    session: Session,
    episode: SubjectEpisode = None,
    yes: Yes = False,
    project: ProjectOption = None,
) -> None:
    """Delete an episode with all its versions and films. This cannot be undone.

    The episode must be named.
    """
    episode = named(episode, "episode")
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        await confirm(
            session, f"Delete {found.title!r} with its {formatting.count(len(found.segments), 'segment')}?", yes
        )
        await client.episodes.delete(found.id)
    session.line(f"Deleted {found.title}.")
    session.emit({"deleted": found.id})


@app.command("order")
@command
async def order(
    session: Session,
    episode: SubjectEpisode = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="3,1,2", help="New order: every present number exactly once.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Show or change the order of the segments of an episode.

    Example: `retake episode order --to 3,1,2`
    """
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        if to is not None:
            segment_ids = parse_segments(found, to) or []
            if sorted(segment_ids) != sorted(s.id for s in found.segments):
                raise UsageError(
                    f"--to {to} does not contain every segment exactly once.",
                    f"The segments are numbered 1 to {len(found.segments)}.",
                )
            await client.episodes.reorder(found.id, segment_ids, revision=found.order_revision or "*")
            found = await client.episodes.get(found.id)
    for segment in found.segments:
        session.line(f"{segment.segment_number:3}  {segment.title}")
    session.emit({"episode_id": found.id, "segment_ids": [s.id for s in found.segments]})


@app.command("status")
@command
async def status(session: Session, episode: SubjectEpisode = None, project: ProjectOption = None) -> None:
    """Count the completed, approved, rejected, failed and pending segments of an episode."""
    async with session.connect() as client:
        found = await client.episodes.status((await find_episode(client, episode, project)).id)
    session.line(
        f"{found.completed} of {found.total_segments} completed: {found.approved} approved, {found.rejected} rejected; "
        f"{found.failed} failed, {found.pending} pending."
    )
    if found.current_segment is not None:
        session.line(f"Current segment: {found.current_segment}")
    session.emit(found)


@app.command("log")
@command
async def log(
    session: Session,
    episode: SubjectEpisode = None,
    limit: Limit = 30,
    project: ProjectOption = None,
) -> None:
    """List the changes of an episode: edits, reordering, commits; newest first."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        revisions = await client.episodes.revisions(found.id, limit)
    if not session.as_json:
        table = formatting.table("#", "Age", "Change", "Details")
        for revision in revisions:
            details = revision.details if isinstance(revision.details, dict) else {}
            summary = ", ".join(f"{k}: {v}" for k, v in details.items() if not k.endswith(("_id", "_ids")))
            change = (revision.change or "").replace("_", " ")
            table.add_row(str(revision.number or ""), formatting.ago(revision.created_at), change, Text(summary))
        session.table(table)
    session.emit({"episode_id": found.id, "revisions": revisions})


def parse_output(size: str | None, fps: str | None) -> dict[str, Any]:
    """The fields `frame_rate`, `width` and `height` that are given. Raises UsageError for an invalid size."""
    output: dict[str, Any] = {"frame_rate": fps} if fps else {}
    if size is not None:
        width, x, height = size.lower().partition("x")
        if not x or not width.isdigit() or not height.isdigit():
            raise UsageError(f"--size {size!r} is not a frame size.", "Write it as 1920x1080.")
        output |= {"width": int(width), "height": int(height)}
    return output


@app.command("list")
@command
async def list_(session: Session, project: ProjectOption = None) -> None:
    """List the episodes of a project, newest first."""
    async with session.connect() as client:
        parent = await find_project(client, project)
        episodes = await client.episodes.all(parent.id)
    table = formatting.table("Title", "=Episode", "Age")
    for episode in episodes:
        table.add_row(Text(episode.title), episode.id, formatting.ago(episode.created_at))
    if not session.as_json:
        if episodes:
            session.table(table)
        else:
            session.line(f"No episodes in project {parent.name} yet.")
    session.emit({"project_id": parent.id, "episodes": episodes})


@app.command("show")
@command
async def show(
    session: Session,
    episode: SubjectEpisode = None,
    project: ProjectOption = None,
) -> None:
    """Show the segments of an episode with the state of their assets."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
    if not session.as_json:
        _print(session, found)
    session.emit(found)


def _print(session: Session, episode: Episode) -> None:
    session.line(f"{episode.title}  {episode.id}", style="bold")
    table = formatting.table("#N", "Segment", "Image", "Video", "Narration", "#Seconds", "Status")
    segments = {s.id: s for s in episode.segments}
    for progress in EpisodeProgress(episode).segments:
        segment = segments.get(progress.segment_id or "")
        if segment is None:
            kinds: tuple[AssetKind | None, ...] = (None, AssetKind.MUSIC, None)
            number, duration, status = "♪", None, None
        else:
            kinds = (AssetKind.STARTING_IMAGE, AssetKind.VIDEO, AssetKind.NARRATION)
            number, duration = str(progress.number), segment.duration
            status = segment.approval_status or segment.status
        table.add_row(
            number,
            Text(progress.title),
            *(_state(progress.assets.get(kind)) if kind else Text() for kind in kinds),
            f"{duration:.1f}" if duration else "",
            formatting.state(status) if status else "",
        )
    session.table(table)


def _state(asset: AssetProgress | None) -> Text:
    return Text(*formatting.ASSET_STATES[asset.state]) if asset else Text()
