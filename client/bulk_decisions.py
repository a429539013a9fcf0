"""Decisions about many previews, with as few requests as possible."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from client.api import AsyncRetake
from client.errors import BadResponse, ClientError, Unreachable
from client.film_workflow import Accept, Reject
from client.models import BulkOutcome, BulkResult, BulkTarget, Review, Run
from client.resources.bulk import MAX_TARGETS

Decided = tuple[Run, Review | ClientError]
"""A run with its review, or with the reason why it was not decided."""


async def decide_about(
    client: AsyncRetake, runs: list[Run], decision: Accept | Reject, choose: Callable[[Run], str | None]
) -> AsyncIterator[Decided]:
    """Decides about each run on its own, many per request: a refused one does not stop the others.

    `choose` returns the version of a run to accept (None: its only one), or raises a ClientError. Raises Unreachable.
    """
    by_episode: dict[str, list[tuple[Run, BulkTarget]]] = {}
    for run in runs:
        try:
            version_id = choose(run) if isinstance(decision, Accept) else None
        except ClientError as e:
            yield run, e
            continue
        if version_id is None and len(run.versions) == 1:
            version_id = run.versions[0].id
        target = BulkTarget(run_id=run.id, version_id=version_id)
        by_episode.setdefault(run.episode_id or "", []).append((run, target))
    for episode_id, targets in by_episode.items():
        for start in range(0, len(targets), MAX_TARGETS):
            for decided in await _decide(client, episode_id, targets[start : start + MAX_TARGETS], decision):
                yield decided


async def _decide(
    client: AsyncRetake, episode_id: str, targets: list[tuple[Run, BulkTarget]], decision: Accept | Reject
) -> list[Decided]:
    try:
        result = await _submit(client, episode_id, [target for _, target in targets], decision)
        if len(result.results) != len(targets):
            raise BadResponse(f"{len(result.results)} results for {len(targets)} targets.", "Check the address.")
    except Unreachable:
        raise
    except ClientError as e:
        return [(run, e) for run, _ in targets]
    return [(run, _review(outcome)) for (run, _), outcome in zip(targets, result.results, strict=True)]


async def _submit(
    client: AsyncRetake, episode_id: str, targets: list[BulkTarget], decision: Accept | Reject
) -> BulkResult:
    match decision:
        case Accept(rating=rating, feedback=feedback):
            return await client.bulk.approve(episode_id, targets, rating=rating, feedback=feedback)
        case Reject(feedback=feedback, changes=changes, rating=rating, regenerate=regenerate):
            return await client.bulk.reject(
                episode_id,
                targets,
                rating=rating,
                feedback=feedback,
                suggested_changes=changes,
                regenerate=regenerate,
            )


def _review(outcome: BulkOutcome) -> Review | ClientError:
    return outcome.review or outcome.error or BadResponse("A target has neither review nor problem.", "")
