"""`retake review` and `retake history`: decide about previews; list the decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.text import Text

from client.api import AsyncRetake
from client.bulk_decisions import decide_about
from client.cli import formatting
from client.cli.command import command
from client.cli.exit_codes import UsageError, WorkFailed
from client.cli.lookup import find_scope
from client.cli.options import EpisodeFilter, EpisodeOption, Limit, ProjectOption, parse_pairs
from client.cli.preview import Postponed, ask_decision, ask_variant, present, review_line, select_variant
from client.cli.session import Session
from client.errors import AlreadyDecided, ClientError
from client.film_workflow import Accept, Reject, submit
from client.models import Review, Run, RunStatus


@command
async def review(
    session: Session,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="Id of the run.  [default: all waiting runs]")
    ] = None,
    accept: Annotated[bool, typer.Option("--accept", "-a", help="Accept the preview.")] = False,
    reject: Annotated[bool, typer.Option("--reject", "-r", help="Reject the preview.")] = False,
    rating: Annotated[int | None, typer.Option("--rating", min=1, max=5, help="Rating, 5 is best.")] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", "--feedback", metavar="TEXT", help="Reason for the decision.")
    ] = None,
    suggest: Annotated[
        str | None,
        typer.Option("--suggest", metavar="TEXT", help="With --reject: text to add to the directions of the next run."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change",
            "-c",
            metavar="KEY=VALUE",
            help="With --reject: change for the next run, such as character_prompt=..., seed=7; repeatable.",
        ),
    ] = None,
    again: Annotated[
        bool | None,
        typer.Option(
            "--again/--no-again", help="With --reject: start another run.  [default: only if changes are given]"
        ),
    ] = None,
    with_notes: Annotated[
        bool,
        typer.Option(
            "--with-notes", help="With --reject: the open notes about the version become changes for the next run."
        ),
    ] = False,
    variant: Annotated[
        int | None,
        typer.Option("--variant", metavar="N", min=1, max=4, help="With --accept: variant N, if there are several."),
    ] = None,
    version: Annotated[
        str | None, typer.Option("--version-id", help="Id of the version, if there are several variants.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Decide about every waiting preview, with --accept or --reject.")
    ] = False,
    show_only: Annotated[bool, typer.Option("--list", help="Only list the waiting previews.")] = False,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="The waiting previews of all your projects, not of one.")
    ] = False,
    episode: EpisodeOption = None,
    project: ProjectOption = None,
) -> None:
    """Accept or reject previews: by options one run or, with --all, every waiting one; else interactively.

    Examples:

    * `retake review RUN --accept --variant 2 --rating 5`
    * `retake review --all --accept --episode EPISODE`
    """
    decision = _decision(accept, reject, rating, reason, suggest, change, again)
    _check_selection(decision, run, everything, variant, version)
    if all_projects and (run or decision or episode or project):
        raise UsageError(
            "--all-projects neither decides nor goes with RUN, --episode or --project.", "Use it alone, or with --list."
        )
    if with_notes and (not reject or run is None):
        raise UsageError("--with-notes needs a rejection of one run.", "Add RUN and --reject.")
    async with session.connect() as client:
        if run is not None:
            waiting = [await client.runs.get(run)]
        elif all_projects:
            waiting = _soonest_first(await client.runs.mine(status=RunStatus.PREVIEW_READY.value))
        else:
            waiting = await _waiting(client, episode, project)
        if decision is not None and everything:
            await decide_all(session, client, waiting, decision)
        elif decision is not None:
            if with_notes and isinstance(decision, Reject):
                decision = await _with_notes(client, waiting[0], decision, again)
            decided = await _decide(client, waiting[0], decision, variant, version)
            session.line(*review_line(waiting[0], decided))
            session.emit(decided)
        elif show_only or not session.can_ask:
            _list(session, waiting)
            session.emit({"waiting": waiting})
        else:
            await _ask_all(session, client, waiting)


def _decision(
    accept: bool,
    reject: bool,
    rating: int | None,
    reason: str | None,
    suggest: str | None,
    change: list[str] | None,
    again: bool | None,
) -> Accept | Reject | None:
    changes: dict[str, Any] = parse_pairs(change, "--change")
    if suggest:
        changes["prompt_modifications"] = suggest
    if accept and reject:
        raise UsageError("--accept and --reject contradict each other.", "Leave one out.")
    if not reject and (changes or again is not None):
        raise UsageError("Changes need a rejection.", "Add --reject.")
    if accept:
        return Accept(rating, reason)
    if reject:
        return Reject(reason, changes or None, rating, regenerate=bool(changes) if again is None else again)
    if rating is not None or reason:
        raise UsageError("A rating or a reason needs a decision.", "Add --accept or --reject.")
    return None


async def _with_notes(client: AsyncRetake, run: Run, decision: Reject, again: bool | None) -> Reject:
    """The rejection with what the open notes about the run's version ask for. Raises UsageError without any."""
    if len(run.versions) != 1:
        raise UsageError("--with-notes needs a run with one version.", "Give the changes with --suggest.")
    notes = [n for n in await client.notes.of(run.versions[0].id) if not n.resolved]
    if not notes:
        raise UsageError("There are no open notes about this version.", "Write one: retake notes add.")
    changes = dict(decision.changes or {})
    lines = [changes.get("prompt_modifications"), *(note.change for note in notes)]
    changes["prompt_modifications"] = "\n".join(line for line in lines if line)
    return replace(
        decision,
        changes=changes,
        regenerate=True if again is None else again,
        note_ids=tuple(note.id for note in notes),
    )


def _check_selection(
    decision: Accept | Reject | None, run: str | None, everything: bool, variant: int | None, version: str | None
) -> None:
    if everything and run is not None:
        raise UsageError("RUN and --all exclude each other.", "Leave one out.")
    if everything and decision is None:
        raise UsageError("--all needs a decision.", "Add --accept or --reject.")
    if decision is not None and run is None and not everything:
        raise UsageError("A decision needs a run.", "See the waiting runs: retake review --list; or add --all.")
    if (variant is not None or version is not None) and (not isinstance(decision, Accept) or everything):
        raise UsageError("A variant is chosen by accepting one run.", "Add RUN and --accept.")
    if variant is not None and version is not None:
        raise UsageError("--variant and --version-id exclude each other.", "Leave one out.")


class SomeUndecided(WorkFailed):
    """Some of the previews were decided about, and others were not."""

    def __init__(self, reviews: list[Review], failures: list[tuple[Run, ClientError]]) -> None:
        several = len(failures) != 1
        super().__init__(
            f"{len(failures)} of {len(reviews) + len(failures)} previews {'were' if several else 'was'} not decided.",
            "See what still waits: retake review --list",
        )
        self.reviews, self.failures = reviews, failures

    def as_json(self) -> dict[str, Any]:
        failed = [{"run_id": run.id, **error.as_json()} for run, error in self.failures]
        return {**super().as_json(), "reviews": [r.model_dump(mode="json") for r in self.reviews], "failed": failed}


async def decide_all(session: Session, client: AsyncRetake, waiting: list[Run], decision: Accept | Reject) -> None:
    """Decide about all of these runs, many per request: one that is refused does not stop the others.

    Raises SomeUndecided, and Unreachable at once, since no other would get an answer.
    """
    reviews: list[Review] = []
    failures: list[tuple[Run, ClientError]] = []
    if not waiting:
        session.line("No previews are waiting for review.")
    async for run, decided in decide_about(client, waiting, decision, _choose):
        if isinstance(decided, ClientError):
            failures.append((run, decided))
            session.warn(f"{decided.message} {decided.recovery}".rstrip())
        else:
            reviews.append(decided)
            session.line(*review_line(run, decided))
    if failures:
        raise SomeUndecided(reviews, failures)
    session.emit({"reviews": reviews})


def _choose(run: Run) -> str | None:
    return select_variant(run, None)


async def _decide(
    client: AsyncRetake,
    run: Run,
    decision: Accept | Reject,
    variant: int | None = None,
    version_id: str | None = None,
) -> Review:
    if isinstance(decision, Accept):
        version_id = select_variant(run, variant, version_id)
    return await submit(client, run, decision, version_id)


async def _waiting(client: AsyncRetake, episode: str | None, project: str | None) -> list[Run]:
    """The runs that wait for a decision, those with the earliest deadline first."""
    project_id, filters = await find_scope(client, episode, project)
    filters["status"] = RunStatus.PREVIEW_READY.value
    return _soonest_first(await client.runs.all(project_id, **filters))


def _soonest_first(runs: list[Run]) -> list[Run]:
    return sorted(runs, key=lambda r: (r.deadline is None, r.deadline, r.created_at))


def _list(session: Session, waiting: list[Run]) -> None:
    if session.as_json:
        return
    if not waiting:
        session.line("No previews are waiting for review.")
        return
    table = formatting.table("=Run", "Episode", "#Seg", "Kind", "Result", "Deadline")
    for run in waiting:
        result = formatting.media(run.versions[0]) if run.versions else "-"
        number = str(run.segment_number or "-")
        where = " / ".join(name for name in (run.project_name, run.episode_title) if name)
        table.add_row(
            run.id, Text(where), number, run.kind.words, Text(result), formatting.left(run.deadline) or "none"
        )
    session.table(table)


async def _ask_all(session: Session, client: AsyncRetake, waiting: list[Run]) -> None:
    if not waiting:
        session.line("No previews are waiting for review.")
    for run in waiting:
        if run.status is not RunStatus.PREVIEW_READY:
            session.line(f"Run {run.id} is not waiting for a decision; its status is {run.status.replace('_', ' ')}.")
            continue
        present(session, run)
        try:
            decision = await ask_decision(session, run, can_postpone=True)
            version_id = await ask_variant(session, run) if isinstance(decision, Accept) else None
            decided = await submit(client, run, decision, version_id)
        except Postponed:
            continue
        except AlreadyDecided as e:
            session.warn(f"{e.message} {e.recovery}")
            continue
        session.line(*review_line(run, decided))


@command
async def history(
    session: Session, limit: Limit = 50, episode: EpisodeFilter = None, project: ProjectOption = None
) -> None:
    """List all decisions with ratings, reasons and reviewers, newest first."""
    async with session.connect() as client:
        project_id, filters = await find_scope(client, episode, project)
        found = await client.reviews.all(project_id, limit, **filters)
        numbers: dict[str | None, int] = {}
        for episode_id in {r.episode_id for r in found if r.segment_id and r.episode_id}:
            numbers |= {s.id: s.segment_number for s in (await client.episodes.get(episode_id)).segments}
    if not session.as_json:
        table = formatting.table("Age", "#Seg", "Kind", "Decision", "Rating", "Feedback", "Reviewer")
        for review in found:
            feedback = " / ".join(s for s in (review.feedback, _changes(review.suggested_changes)) if s)
            table.add_row(
                formatting.ago(review.decided_at or review.created_at), str(numbers.get(review.segment_id, "")),
                review.kind.words if review.kind else "", _decision_text(review.action, review.verdict),
                "★" * (review.rating or 0), Text(feedback), Text(review.user_id or "automatic"),
            )  # fmt: skip
        if found:
            session.table(table)
        else:
            session.line("No decisions yet.")
    session.emit({"reviews": found})


def _decision_text(action: str | None, verdict: str | None) -> str:
    if action == "request_regeneration":
        return formatting.state("rejected").replace("rejected", "regenerated")
    return formatting.state(verdict or action)


def _changes(changes: dict[str, object] | None) -> str:
    return ", ".join(f"{k}: {v}" for k, v in (changes or {}).items())
