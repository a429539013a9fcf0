"""`retake segment`: add, show, change, delete."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from client.cli import show
from client.cli.ask import confirm
from client.cli.codes import UsageError
from client.cli.command import command
from client.cli.options import EpisodeOption, ProjectOption, Yes
from client.cli.plan import STYLES
from client.cli.session import Session
from client.cli.targets import find_episode, find_segment
from client.models import Segment

app = typer.Typer(no_args_is_help=True, help="Segments: add, show, change, delete.")
Number = Annotated[str, typer.Argument(metavar="SEGMENT", help="Its number, or its id.")]
Location = Annotated[str | None, typer.Option("--location", metavar="TEXT", help="Where it plays.")]
Description = Annotated[str | None, typer.Option("--description", metavar="TEXT", help="What happens.")]
Seconds = Annotated[float | None, typer.Option("--seconds", min=0.1, help="How long it is.")]
Type = Annotated[str | None, typer.Option("--type", help="scene, shot or transition.")]
TYPES = ("scene", "shot", "transition")


@app.command("show")
@command
async def show_(
    session: Session, segment: Number, episode: EpisodeOption = None, project: ProjectOption = None
) -> None:
    """Show a segment: its scene, its video, its scores."""
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
    video: Annotated[str | None, typer.Option("--video", metavar="TEXT", help="Directions of its video.")] = None,
    image: Annotated[str | None, typer.Option("--image", metavar="TEXT", help="Prompt of its starting image.")] = None,
    narration: Annotated[str | None, typer.Option("--narration", metavar="TEXT", help="What is spoken.")] = None,
    at: Annotated[int | None, typer.Option("--at", min=1, metavar="N", help="As segment N.  [default: last]")] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Add a segment to an episode, such as `retake segment add --location Harbour --video "Push in slowly"`."""
    _check_type(type_)
    given = {"video": video, "starting_image": image, "narration": narration}
    body: dict[str, Any] = {
        "type": type_ or "scene",
        "scene_info": _scene(location, description),
        "directions": {k: v for k, v in given.items() if v},
    }
    body |= {k: v for k, v in {"duration": seconds, "position": at}.items() if v is not None}
    async with session.connect() as client:
        made = await client.segments.create((await find_episode(client, episode, project)).id, body)
    session.line(f"Segment {made.segment_number}  {made.id}", style="green")
    session.emit(made)


@app.command("edit")
@command
async def edit(
    session: Session,
    segment: Number,
    location: Location = None,
    description: Description = None,
    seconds: Seconds = None,
    type_: Type = None,
    notes: Annotated[str | None, typer.Option("--notes", metavar="TEXT", help="Notes for people.")] = None,
    transition: Annotated[
        str | None,
        typer.Option("--transition", metavar="STYLE[:SECONDS]", help="To the next: cut, fade, dissolve:0.8; none."),
    ] = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Change a segment. Nothing is made anew by it."""
    _check_type(type_)
    changes: dict[str, Any] = {"type": type_, "duration": seconds, "user_notes": notes}
    changes = {k: v for k, v in changes.items() if v is not None}
    if scene := _scene(location, description):
        changes["scene_info"] = scene
    if transition is not None:
        changes["transition_after"] = parse_transition(transition)
    if not changes:
        raise UsageError("Nothing to change.", "See `retake segment edit --help` for what can be changed.")
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
    """Delete a segment with all its versions. Nothing brings it back."""
    async with session.connect() as client:
        found = await find_segment(client, segment, episode, project)
        await confirm(session, f"Delete segment {found.segment_number} ({found.title or 'untitled'})?", yes)
        await client.segments.delete(found.id)
    session.line(f"Segment {found.segment_number} is deleted; those after it move up.")
    session.emit({"deleted": found.id})


def parse_transition(given: str) -> dict[str, Any] | None:
    """`dissolve:0.8`; `none` for none of its own."""
    style, colon, seconds = given.partition(":")
    if style == "none":
        return None
    if style not in STYLES:
        raise UsageError(f"{style!r} is no transition.", f"Choose one of: {', '.join(STYLES)}.")
    try:
        return {"style": style, "duration": float(seconds) if colon else 0.5}
    except ValueError:
        raise UsageError(f"{seconds!r} is no number of seconds.", f"Write it as {style}:0.8.") from None


def _scene(location: str | None, description: str | None) -> dict[str, str]:
    return {k: v for k, v in {"location": location, "description": description}.items() if v is not None}


def _check_type(given: str | None) -> None:
    if given is not None and given not in TYPES:
        raise UsageError(f"{given!r} is no type of segment.", f"Choose one of: {', '.join(TYPES)}.")


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
        "State": state,
        "Video": " · ".join(
            str(v) for v in (show.clock(segment.duration) if segment.duration else None, segment.resolution) if v
        ),
        "Asked for": show.clock(segment.target_duration) if segment.target_duration else None,
        "Directions": (segment.generation_params or {}).get("prompt"),
        "Quality": " · ".join(f"{k.removesuffix('_score').replace('_', ' ')} {v:.2f}" for k, v in scores.items()),
        "Transition": f"{following.style} {following.duration:g} s" if following else None,
        "Notes": segment.user_notes,
        "Waits": f"retake review {segment.waiting_run_id}" if segment.waiting_run_id else None,
    }
    for name, value in rows.items():
        if value:
            facts.add_row(Text(name, style="dim"), Text(str(value)))
    session.say(facts)
    if segment.video_url:
        session.line(segment.video_url, style="underline")
