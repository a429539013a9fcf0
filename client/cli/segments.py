"""`retake segment`: add, show, edit, delete and restore segments."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError
from client.cli.film_plan import STYLES
from client.cli.lookup import find_episode, find_segment
from client.cli.options import EpisodeOption, ProjectOption, Yes
from client.cli.prompts import confirm
from client.cli.session import Session
from client.models import Segment

app = typer.Typer(no_args_is_help=True, help="Segments: add, show, edit, delete, restore.")
Number = Annotated[str, typer.Argument(metavar="SEGMENT", help="Number or id of the segment.")]
Location = Annotated[str | None, typer.Option("--location", metavar="TEXT", help="Location of the scene.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="Description of the scene.")]
Seconds = Annotated[float | None, typer.Option("--seconds", min=0.1, help="Duration of the segment.")]
Type = Annotated[str | None, typer.Option("--type", help="Type: scene, shot or transition.")]
Style = Annotated[str | None, typer.Option("--style", metavar="TEXT", help="Added to the project's style.")]
Characters = Annotated[
    str | None, typer.Option("--characters", metavar="TEXT", help="Added to the project's text about the characters.")
]
TYPES = ("scene", "shot", "transition")


@app.command("show")
@command
async def show(session: Session, segment: Number, episode: EpisodeOption = None, project: ProjectOption = None) -> None:
    """Show the scene, video, quality scores and notes of a segment."""
    async with session.connect() as client:
        found = await find_segment(client, segment, episode, project)
    if not session.as_json:
        _print(session, found)
    session.emit(found)


@app.command("add")
@command
async def add(
    session: Session,
    location: Location = None,
    description: Description = None,
    seconds: Seconds = None,
    type_: Type = None,
    style: Style = None,
    characters: Characters = None,
    video: Annotated[str | None, typer.Option("--video", metavar="TEXT", help="Directions for the video.")] = None,
    image: Annotated[str | None, typer.Option("--image", metavar="TEXT", help="Prompt for the starting image.")] = None,
    narration: Annotated[str | None, typer.Option("--narration", metavar="TEXT", help="Text of the narration.")] = None,
    at: Annotated[
        int | None, typer.Option("--at", min=1, metavar="N", help="Position in the episode.  [default: last]")
    ] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Add a segment to an episode.

    Example: `retake segment add --location Harbour --video "Push in slowly"`
    """
    _check_type(type_)
    given = {"video": video, "starting_image": image, "narration": narration}
    body: dict[str, Any] = {
        "type": type_ or "scene",
        "scene_info": _scene(location, description),
        "directions": {k: v for k, v in given.items() if v},
    }
    more = {"duration": seconds, "position": at, "style": style, "characters": characters}
    body |= {k: v for k, v in more.items() if v is not None}
    async with session.connect() as client:
        created = await client.segments.create((await find_episode(client, episode, project)).id, body)
    session.line(f"Segment {created.segment_number}  {created.id}", style="green")
    session.emit(created)


@app.command("edit")
@command
async def edit(
    session: Session,
    segment: Number,
    location: Location = None,
    description: Description = None,
    seconds: Seconds = None,
    type_: Type = None,
    style: Style = None,
    characters: Characters = None,
    notes: Annotated[str | None, typer.Option("--notes", metavar="TEXT", help="Free-text notes.")] = None,
    transition: Annotated[
        str | None,
        typer.Option(
            "--transition",
            metavar="STYLE[:SECONDS]",
            help="Transition to the next segment: cut, fade, dissolve:0.8, or none.",
        ),
    ] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Edit a segment. Nothing is regenerated. An empty --style or --characters removes the segment's own."""
    _check_type(type_)
    changes: dict[str, Any] = {"type": type_, "duration": seconds, "user_notes": notes}
    changes = {k: v for k, v in changes.items() if v is not None}
    changes |= {k: v or None for k, v in {"style": style, "characters": characters}.items() if v is not None}
    if scene := _scene(location, description):
        changes["scene_info"] = scene
    if transition is not None:
        changes["transition_after"] = parse_transition(transition)
    if not changes:
        raise UsageError("Nothing to change.", "See the options: retake segment edit --help")
    async with session.connect() as client:
        found = await find_segment(client, segment, episode, project)
        changed = await client.segments.update(found.id, changes, revision=found.revision)
    if not session.as_json:
        _print(session, changed)
    session.emit(changed)


@app.command("delete")
@command
async def delete(
    session: Session, segment: Number, yes: Yes = False, episode: EpisodeOption = None, project: ProjectOption = None
) -> None:
    """Delete a segment with all its versions. `retake segment restore` brings it back for 46 hours."""
    async with session.connect() as client:
        found = await find_segment(client, segment, episode, project)
        await confirm(session, f"Delete segment {found.segment_number} ({found.title or 'untitled'})?", yes)
        await client.segments.delete(found.id)
    session.line(f"Deleted segment {found.segment_number}; the following segments are renumbered.")
    session.line(f"To bring it back: retake segment restore {found.id}", style="dim")
    session.emit({"deleted": found.id})


@app.command("restore")
@command
async def restore(
    session: Session, segment: Annotated[str, typer.Argument(metavar="ID", help="Id of the deleted segment.")]
) -> None:
    """Put a deleted segment back where it was, with its texts and versions. Possible for 46 hours."""
    async with session.connect() as client:
        restored = await client.segments.restore(segment)
    session.line(f"Segment {restored.segment_number}  {restored.id}", style="green")
    session.emit(restored)


def parse_transition(given: str) -> dict[str, Any] | None:
    """A transition such as `dissolve:0.8`; None for `none`. Raises UsageError for anything else."""
    style, colon, seconds = given.partition(":")
    if style == "none":
        return None
    if style not in STYLES:
        raise UsageError(f"Unknown transition: {style!r}.", f"Choose one of: {', '.join(STYLES)}.")
    try:
        return {"style": style, "duration": float(seconds) if colon else 0.5}
    except ValueError:
        raise UsageError(f"{seconds!r} is not a number of seconds.", f"Write it as {style}:0.8.") from None


def _scene(location: str | None, description: str | None) -> dict[str, str]:
    return {k: v for k, v in {"location": location, "description": description}.items() if v is not None}


def _check_type(given: str | None) -> None:
    if given is not None and given not in TYPES:
        raise UsageError(f"Unknown type of segment: {given!r}.", f"Choose one of: {', '.join(TYPES)}.")


def _print(session: Session, segment: Segment) -> None:
    session.line(f"Segment {segment.segment_number}  {segment.id}", style="bold")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    state = " · ".join(s for s in (segment.status, segment.approval_status) if s)
    scores = {k: v for k, v in (segment.quality_metrics or {}).items() if v is not None}
    following = segment.transition_after
    rows = {
        "Location": segment.scene_info.get("location"),
        "Description": segment.scene_info.get("description"),
        "Type": segment.type,
        "Status": state,
        "Video": " · ".join(
            str(v) for v in (formatting.clock(segment.duration) if segment.duration else None, segment.resolution) if v
        ),
        "Target duration": formatting.clock(segment.target_duration) if segment.target_duration else None,
        "Directions": (segment.generation_params or {}).get("prompt"),
        "Style": segment.style,
        "Characters": segment.characters,
        "Quality": " · ".join(f"{k.removesuffix('_score').replace('_', ' ')} {v:.2f}" for k, v in scores.items()),
        "Transition": f"{following.style} {following.duration:g} s" if following else None,
        "Notes": segment.user_notes,
        "Review": f"retake review {segment.waiting_run_id}" if segment.waiting_run_id else None,
    }
    for name, value in rows.items():
        if value:
            facts.add_row(Text(name, style="dim"), Text(str(value)))
    session.say(facts)
    if segment.video_url:
        session.line(segment.video_url, style="underline")
