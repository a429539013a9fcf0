"""Bulk requests: their action and targets, the targets one after the other, and the wait for all verdicts together."""

from __future__ import annotations

from typing import Final

import asyncpg

from services.gateway.api import problems
from services.gateway.api.await_commit import COMMIT_S, until_committed
from services.gateway.api.await_verdict import until_verdicts
from services.gateway.api.context import RequestContext, UnitOfWork
from services.gateway.api.headers import Preference
from services.gateway.api.idempotency import Steps
from services.gateway.api.problems import invalid
from services.gateway.api.responses import Result
from services.gateway.api.schemas.bulk import BulkAction, BulkOutcome, BulkResult, BulkTarget
from services.gateway.api.schemas.problems import Problem
from services.gateway.commands.bulk import (
    Action,
    Approve,
    Regenerate,
    Reject,
    SetTransition,
    Target,
    apply_action,
    least_role,
)
from services.gateway.commands.reviews import read_outcome
from services.gateway.domain.documents import parse_segment
from services.gateway.domain.errors import AwaitsCommit, Refusal
from services.gateway.domain.run_parameters import type_problems
from shared.core.errors import RetakeError
from shared.postgres.retry import UNAVAILABLE

_FIELDS: Final = {
    "approve": {"rating", "feedback"},
    "reject": {"rating", "feedback", "suggested_changes", "regenerate"},
    "regenerate": {"changes", "keep_original"},
    "transition": {"transition_after"},
}
_TARGETS: Final = {
    "approve": ("run_id", "asset_id", "segment_id"),
    "reject": ("run_id", "asset_id", "segment_id"),
    "regenerate": ("asset_id", "segment_id"),
    "transition": ("segment_id",),
}
"""The fields of the request that each action has, and what it applies to."""

_OF_ONE_TARGET: Final = (problems.ProblemError, RetakeError, asyncpg.DataError, *UNAVAILABLE)
"""What ends a target and not the request."""


def action_of(body: BulkAction) -> Action:
    """Raises ProblemError or Refusal invalid for everything that is wrong whatever the target."""
    _check_fields(body)
    _check_targets(body)
    match body.action:
        case "approve":
            return Approve(body.rating, body.feedback)
        case "reject":
            changes = body.suggested_changes
            _check_changes("suggested_changes", changes or {})
            return Reject(body.rating, body.feedback, changes, body.regenerate)
        case "regenerate":
            _check_changes("changes", body.changes)
            return Regenerate(body.changes, body.keep_original)
        case "transition":
            if "transition_after" not in body.model_fields_set:
                raise invalid(("/transition_after", "is required; null clears the transition"))
            parse_segment({"transition_after": body.transition_after})
            return SetTransition(body.transition_after)


def _check_fields(body: BulkAction) -> None:
    foreign = body.model_fields_set - {"action", "targets"} - _FIELDS[body.action]
    if foreign:
        raise invalid(*((f"/{name}", f"does not belong to the action {body.action}") for name in sorted(foreign)))


def _check_targets(body: BulkAction) -> None:
    allowed, seen, errors = _TARGETS[body.action], set[str](), []
    for n, target in enumerate(body.targets):
        ids = {name: value for name in _TARGETS["approve"] if (value := getattr(target, name)) is not None}
        if len(ids) != 1 or not ids.keys() <= set(allowed):
            errors.append((f"/targets/{n}", f"must have exactly one id: {' or '.join(allowed)}"))
        elif seen & set(ids.values()):
            errors.append((f"/targets/{n}", "is repeated; list each target once"))
        if target.version_id is not None and "run_id" not in allowed:
            errors.append((f"/targets/{n}/version_id", "only belongs to approve and reject"))
        seen |= set(ids.values())
    if errors:
        raise invalid(*errors)


def _check_changes(name: str, changes: dict[str, object]) -> None:
    if found := type_problems(changes):
        raise invalid(*((f"/{name}/{key}", problem) for key, problem in found))


class BulkRequest:
    """One request in progress."""

    def __init__(
        self, context: RequestContext, steps: Steps, episode_id: str, body: BulkAction, action: Action
    ) -> None:
        self._context = context
        self._steps = steps
        self._episode_id = episode_id
        self._body = body
        self._action = action
        self._results: dict[int, BulkOutcome] = {}
        self._uncommitted: dict[int, AwaitsCommit] = {}

    async def result(self, prefer: Preference) -> Result:
        """Every target in a transaction of its own. What builds on a version that is just being committed is tried
        again within five seconds, and verdicts are waited for as long, unless the client prefers not to wait."""
        for n in range(len(self._body.targets)):
            await self._apply(n)
        await self._retry_uncommitted()
        if not prefer.respond_async:
            await self._read_verdicts()
        outcomes = [self._results[n] for n in range(len(self._body.targets))]
        failed = sum(o.problem is not None for o in outcomes)
        body = BulkResult(action=self._body.action, succeeded=len(outcomes) - failed, failed=failed, results=outcomes)
        return Result(200, body)

    @property
    def is_final(self) -> bool:
        """False: a target failed for a reason that has nothing to do with it, so a repeat should try it again."""
        return all(o.status < 500 for o in self._results.values())

    async def _apply(self, n: int) -> None:
        target = self._body.targets[n]

        async def effect(work: UnitOfWork) -> Result:
            caller = await work.require_role("episode", self._episode_id, least_role(self._action))
            sent = Target(target.segment_id, target.asset_id, target.run_id, target.version_id)
            applied = await apply_action(work.store, caller, self._episode_id, self._action, sent)
            decided = isinstance(self._action, Approve | Reject)
            review = await work.queries.review(applied.decision_id) if decided and applied.decision_id else None
            status = 200 if isinstance(self._action, SetTransition) else 202
            outcome = _outcome(target, status, run_id=applied.run_id)
            return Result(status, outcome.model_copy(update={"review": review}))

        self._uncommitted.pop(n, None)
        try:
            found = await self._steps.run(n, effect)
        except AwaitsCommit as e:
            self._uncommitted[n] = e
            self._refuse(n, e)
        except _OF_ONE_TARGET as e:
            self._refuse(n, e)
        else:
            self._results[n] = BulkOutcome.model_validate_json(found.text)

    async def _retry_uncommitted(self) -> None:
        clock = self._context.state.clock
        ends = clock.monotonic() + COMMIT_S
        for n, refusal in list(self._uncommitted.items()):
            await until_committed(self._context, refusal, max(0.0, ends - clock.monotonic()))
            await self._apply(n)

    async def _read_verdicts(self) -> None:
        pending = {n: o.review.id for n, o in self._results.items() if o.review and o.review.verdict == "pending"}
        if not pending:
            return
        await until_verdicts(self._context, list(pending.values()))
        async with self._context.snapshot() as work:
            for n, decision_id in pending.items():
                try:
                    await read_outcome(work.store, decision_id)
                except Refusal as e:
                    self._refuse(n, e)
                    continue
                review = await work.queries.review(decision_id)
                status = 202 if review.verdict == "pending" else 200
                self._results[n] = self._results[n].model_copy(update={"status": status, "review": review})

    def _refuse(self, n: int, error: Exception) -> None:
        problem = problems.of(_at_target(error, n))
        members = problems.members(problem, self._context.request.url.path)
        target = self._body.targets[n]
        outcome = _outcome(target, problem.status_code, run_id=target.run_id)
        self._results[n] = outcome.model_copy(update={"problem": Problem.model_validate(members)})


def _outcome(target: BulkTarget, status: int, *, run_id: str | None) -> BulkOutcome:
    return BulkOutcome(
        segment_id=target.segment_id, asset_id=target.asset_id, run_id=run_id, status=status, review=None, problem=None
    )


def _at_target(error: Exception, n: int) -> Exception:
    """The version is a field of the target; other fields are those of the request."""
    if not (isinstance(error, Refusal) and error.slug == "invalid"):
        return error
    moved = {"/version_id": f"/targets/{n}/version_id"}
    return invalid(*((moved.get(e["pointer"], e["pointer"]), e["detail"]) for e in error.extensions["errors"]))
