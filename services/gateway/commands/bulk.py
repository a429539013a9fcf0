"""One action on many targets of an episode. Each target is a command of its own, in a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, assert_never

from services.gateway.commands.assets import asset_of_segment, lock_asset
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import StartRun, start_run, waiting_run_of
from services.gateway.commands.segments import change_segment
from services.gateway.domain.accounts import Caller, InProject, Role
from services.gateway.domain.errors import not_found
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import AssetKind


class InEpisode(InProject, Protocol):
    @property
    def episode_id(self) -> str: ...


T = TypeVar("T", bound=InEpisode)


@dataclass(frozen=True)
class Approve:
    rating: int | None = None
    feedback: str | None = None


@dataclass(frozen=True)
class Reject:
    """`regenerate` as in SubmitDecision."""

    rating: int | None = None
    feedback: str | None = None
    suggested_changes: Mapping[str, Any] | None = None
    regenerate: bool | None = None


@dataclass(frozen=True)
class Regenerate:
    changes: Mapping[str, Any] = field(default_factory=dict)
    keep_original: bool = True


@dataclass(frozen=True)
class SetTransition:
    """`transition_after` None: as the compilation specifies."""

    transition_after: Mapping[str, Any] | None


Action = Approve | Reject | Regenerate | SetTransition


@dataclass(frozen=True)
class Target:
    """Exactly one of run, asset and segment. A segment stands for its video; only a segment has a transition.
    `version_id`: the version of a preview that was watched."""

    segment_id: str | None = None
    asset_id: str | None = None
    run_id: str | None = None
    version_id: str | None = None


@dataclass(frozen=True)
class Applied:
    """What happened to a target: the run that was decided on or started, and the decision that awaits its verdict."""

    run_id: str | None = None
    decision_id: str | None = None


def least_role(action: Action) -> Role:
    """Who may request the action, as for a single target."""
    match action:
        case Approve():
            return Role.REVIEWER
        case Reject():
            return Role.EDITOR if action.regenerate else Role.REVIEWER
        case Regenerate() | SetTransition():
            return Role.EDITOR
        case _:
            assert_never(action)


async def apply_action(store: Store, caller: Caller, episode_id: str, action: Action, target: Target) -> Applied:
    """Raises Refusal not-found (also for a target of another episode), and whatever the action raises for a single
    target."""
    match action:
        case Approve():
            run_id = await _run_to_decide(store, caller, episode_id, target)
            decision = SubmitDecision(run_id, "approve", target.version_id, action.rating, action.feedback)
            return await _decide(store, caller, decision)
        case Reject():
            run_id = await _run_to_decide(store, caller, episode_id, target)
            decision = SubmitDecision(
                run_id,
                "reject",
                target.version_id,
                action.rating,
                action.feedback,
                action.suggested_changes,
                action.regenerate,
            )
            return await _decide(store, caller, decision)
        case Regenerate():
            asset_id = await _asset(store, caller, episode_id, target)
            command = StartRun(asset_id, changes=action.changes, keep_original=action.keep_original)
            started = await start_run(store, caller, command)
            return Applied(started.run_id, started.decision_id)
        case SetTransition():
            segment_id = target.segment_id or ""
            _of_episode(episode_id, caller, await store.episodes.segment(segment_id), "segment")
            changes = {"transition_after": action.transition_after}
            await change_segment(store, caller, segment_id, None, changes)
            return Applied()
        case _:
            assert_never(action)


async def _decide(store: Store, caller: Caller, decision: SubmitDecision) -> Applied:
    submitted = await submit_decision(store, caller, decision)
    return Applied(run_id=submitted.run_id, decision_id=submitted.decision_id)


async def _run_to_decide(store: Store, caller: Caller, episode_id: str, target: Target) -> str:
    if target.run_id is None:
        return await waiting_run_of(store, await _asset(store, caller, episode_id, target))
    return _of_episode(episode_id, caller, await store.runs.get(target.run_id), "run").run_id


async def _asset(store: Store, caller: Caller, episode_id: str, target: Target) -> str:
    if target.asset_id is not None:
        asset = await lock_asset(store, caller, target.asset_id)
        return _of_episode(episode_id, caller, asset, "asset").asset_id
    segment_id = target.segment_id or ""
    _of_episode(episode_id, caller, await store.episodes.segment(segment_id), "segment")
    return await asset_of_segment(store, caller, segment_id, AssetKind.VIDEO)


def _of_episode(episode_id: str, caller: Caller, found: T | None, what: str) -> T:
    """Raises Refusal not-found if it is absent, or belongs to another episode."""
    owned = caller.owned(found, what)
    if owned.episode_id != episode_id:
        raise not_found(what)
    return owned
