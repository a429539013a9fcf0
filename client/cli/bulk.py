"""`retake bulk`: one action on many segments of an episode."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from client.api import AsyncRetake
from client.cli.command import command
from client.cli.exit_codes import UsageError, WorkFailed
from client.cli.film_options import parse_segments
from client.cli.lookup import find_episode
from client.cli.options import EpisodeOption, ProjectOption, parse_pairs
from client.cli.segments import parse_transition
from client.cli.session import Session
from client.models import BulkOutcome, BulkResult, BulkTarget, Episode, Segment
from client.resources.bulk import MAX_TARGETS

app = typer.Typer(no_args_is_help=True, help="Many segments at once: approve, reject, regenerate, transition.")
Segments = Annotated[str, typer.Argument(metavar="SEGMENTS", help="Numbers such as 1,3,5, or `all`.")]
Rating = Annotated[int | None, typer.Option("--rating", min=1, max=5, help="Rating, 5 is best.")]
Feedback = Annotated[
    str | None, typer.Option("--reason", "--feedback", metavar="TEXT", help="Reason for the decision.")
]
Change = Annotated[
    list[str] | None,
    typer.Option(
        "--change",
        "-c",
        metavar="KEY=VALUE",
        help="Change for the next versions: prompt_modifications, style_adjustments, seed, ...; repeatable.",
    ),
]
Action = Callable[[AsyncRetake, str, list[BulkTarget]], Awaitable[BulkResult]]


class SomeRefused(WorkFailed):
    """The action was refused for some segments; the others are done."""

    def __init__(self, refused: list[tuple[Segment, BulkOutcome]], total: int) -> None:
        others = "The others are done. " if len(refused) < total else ""
        super().__init__(f"Refused for {len(refused)} of {total} segments.", f"{others}See: retake episode show")
        self.refused = refused

    def as_json(self) -> dict[str, Any]:
        failed = [{"segment_id": s.id, **(o.error.as_json() if o.error else {})} for s, o in self.refused]
        return {**super().as_json(), "failed": failed}


@app.command("approve")
@command
async def approve(
    session: Session,
    segments: Segments,
    rating: Rating = None,
    feedback: Feedback = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Accept the waiting videos of these segments.

    Example: `retake bulk approve 1,3,5 --rating 4`
    """

    async def action(client: AsyncRetake, episode_id: str, targets: list[BulkTarget]) -> BulkResult:
        return await client.bulk.approve(episode_id, targets, rating=rating, feedback=feedback)

    await _apply(session, segments, episode, project, action, watched=True)


@app.command("reject")
@command
async def reject(
    session: Session,
    segments: Segments,
    rating: Rating = None,
    feedback: Feedback = None,
    change: Change = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Reject the waiting videos of these segments. With --change, their next runs start at once.

    Example: `retake bulk reject all -c style_adjustments=brighter`
    """
    changes = parse_pairs(change, "--change")

    async def action(client: AsyncRetake, episode_id: str, targets: list[BulkTarget]) -> BulkResult:
        return await client.bulk.reject(
            episode_id, targets, rating=rating, feedback=feedback, suggested_changes=changes or None
        )

    await _apply(session, segments, episode, project, action, watched=True)


@app.command("regenerate")
@command
async def regenerate(
    session: Session,
    segments: Segments,
    change: Change = None,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Start a new version of the video of each of these segments. Follow them with `retake watch`.

    Example: `retake bulk regenerate 2,4 -c prompt_modifications="Pan left."`
    """
    changes = parse_pairs(change, "--change")

    async def action(client: AsyncRetake, episode_id: str, targets: list[BulkTarget]) -> BulkResult:
        return await client.bulk.regenerate(episode_id, targets, changes or None)

    await _apply(session, segments, episode, project, action)


@app.command("transition")
@command
async def transition(
    session: Session,
    segments: Segments,
    style: Annotated[
        str, typer.Argument(metavar="STYLE[:SECONDS]", help="cut, fade, dissolve:0.8, or none (as the film says).")
    ],
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Set the transition from each of these segments into the next one.

    Example: `retake bulk transition all dissolve:0.8`
    """
    after = parse_transition(style)

    async def action(client: AsyncRetake, episode_id: str, targets: list[BulkTarget]) -> BulkResult:
        return await client.bulk.transition(episode_id, targets, after)

    await _apply(session, segments, episode, project, action)


async def _apply(
    session: Session, numbers: str, episode: str | None, project: str | None, action: Action, *, watched: bool = False
) -> None:
    """`watched`: decide on the previews that wait now, and on no later ones. Raises SomeRefused."""
    async with session.connect() as client:
        found = await find_episode(client, episode, project)
        chosen = _chosen(found, numbers)
        outcomes: list[BulkOutcome] = []
        for start in range(0, len(chosen), MAX_TARGETS):
            targets = [_target(segment, watched) for segment in chosen[start : start + MAX_TARGETS]]
            outcomes += (await action(client, found.id, targets)).results
    refused = []
    for segment, outcome in zip(chosen, outcomes, strict=True):
        if outcome.error is None:
            run = f" (run {outcome.run_id})" if outcome.run_id else ""
            state = "started" if outcome.status == 202 else "done"
            session.line(f"Segment {segment.segment_number}: {state}{run}", style="green")
        else:
            refused.append((segment, outcome))
            session.warn(f"Segment {segment.segment_number}: {outcome.error.message} {outcome.error.recovery}".rstrip())
    if refused:
        raise SomeRefused(refused, len(chosen))
    session.emit({"episode_id": found.id, "results": outcomes})


def _chosen(episode: Episode, numbers: str) -> list[Segment]:
    ids = None if numbers.lower() == "all" else parse_segments(episode, numbers)
    by_id = {s.id: s for s in episode.segments}
    chosen = list(episode.segments) if ids is None else [by_id[i] for i in dict.fromkeys(ids)]
    if not chosen:
        raise UsageError(f"{episode.title!r} has no segments.", "Add one: retake segment add")
    return chosen


def _target(segment: Segment, watched: bool) -> BulkTarget:
    if watched and segment.waiting_run_id is not None:
        return BulkTarget(run_id=segment.waiting_run_id)
    return BulkTarget(segment_id=segment.id)
