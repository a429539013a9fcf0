"""A run as it is stored, and its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal

from services.generator.domain.states import RunState
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.events.generator import Complete, Failed, PreviewReady, Progress
from shared.contracts.messages import message
from shared.contracts.values import Actor, Cost, Problem, Ref, Settings, UnknownCharge, Version
from shared.messaging.events import Cause

POSITION: Final = "position"
"""The argument of a message that tells of which candidate it is."""


class Lane(StrEnum):
    """A queue of jobs with a concurrency limit of its own."""

    RENDER = "render"  # videos on this machine's cores
    DRAW = "draw"  # cards, speech, scores: seconds of one core, which must not wait behind videos
    CALL = "call"  # remote providers: waiting costs nothing
    INGEST = "ingest"  # uploads, URLs and imports


@dataclass(frozen=True)
class Spent:
    """The cost of a run so far, cancelled and failed calls included."""

    amount: Decimal = Decimal(0)
    currency: str = "USD"
    estimated: bool = False
    calls: int = 0
    unknown_calls: int = 0
    unknown_at_most: Decimal = Decimal(0)
    unknown_reason: str | None = None  # a code of the catalogue of messages

    @property
    def cost(self) -> Cost:
        return Cost(
            amount=str(self.amount),
            currency=self.currency,
            calls=self.calls,
            basis="estimated" if self.estimated else "reported",
            unknown=self._unknown,
        )

    @property
    def _unknown(self) -> UnknownCharge | None:
        if not self.unknown_calls or not self.unknown_reason:
            return None
        at_most = f"{self.unknown_at_most.normalize():f}"
        return UnknownCharge(calls=self.unknown_calls, at_most=at_most, reason=message(self.unknown_reason))


@dataclass(frozen=True)
class Run:
    """One row. `request` is the command that started it; `cause` is copied to its events."""

    request: RegenerateRequested
    cause: Cause
    state: RunState
    rev: int
    settings: Settings
    provider: str
    model: str | None
    attempt: int
    failures: int
    step: str
    spent: Spent
    traceparent: str | None = None

    @property
    def run_id(self) -> str:
        return self.request.run_id

    @property
    def seed(self) -> int | None:
        setting = self.settings.get("seed")
        return setting.value if setting else None

    @property
    def directions(self) -> str:
        setting = self.settings.get("directions")
        return setting.value if setting else ""


@dataclass(frozen=True)
class Candidate:
    """One position of a run's candidates: its version, or the reason why there is none."""

    position: int
    version: Version | None
    problem: Problem | None = None


def ref_of(ref: Ref) -> dict[str, Any]:
    """The fields that all events about a run have in common."""
    return {name: getattr(ref, name) for name in Ref.model_fields}


def progress(
    run: Run,
    *,
    percent: float | None,
    code: str,
    args: dict[str, Any] | None = None,
    with_settings: bool = False,
    provider_ref: str | None = None,
) -> Progress:
    state: Literal["queued", "generating"] = "queued" if run.state is RunState.QUEUED else "generating"
    common = {
        "kind": run.request.asset_kind.value.replace("_", " "),
        "number": run.request.segment_number,
        "provider": run.provider,
    }
    return Progress(
        **ref_of(run.request),
        run_rev=run.rev,
        state=state,
        step=run.step,
        percent=percent,
        message_code=code,
        message_args=common | (args or {}),
        attempt=max(1, run.attempt),
        settings=run.settings if with_settings else None,
        provider_ref=provider_ref,
    )


def submitted(run: Run, position: int, provider_ref: str) -> Progress:
    """Tells which call at the provider makes a candidate, so that it is found again although the database is lost."""
    return progress(
        run, percent=None, code="run.provider_waiting", args={POSITION: position}, provider_ref=provider_ref
    )


def preview_ready(run: Run, versions: Sequence[Version], problems: Sequence[Problem]) -> PreviewReady:
    r = run.request
    return PreviewReady(
        **ref_of(r),
        run_rev=run.rev,
        source=r.source,
        label=r.label,
        candidates=list(versions),
        problems=list(problems),
        cost=run.spent.cost,
        auto_approve=r.auto_approve,
        review_timeout_s=r.review_timeout_s,
        actor=r.actor,
    )


def failed(run: Run, problem: Problem) -> Failed:
    """The event of a run that has failed or was cancelled."""
    outcome: Literal["failed", "cancelled"] = "cancelled" if run.state is RunState.CANCELLED else "failed"
    return Failed(
        **ref_of(run.request),
        run_rev=run.rev,
        outcome=outcome,
        step=run.step,
        problem=problem,
        attempts=run.attempt,
        cost=run.spent.cost,
    )


def complete(
    run: Run,
    version: Version,
    *,
    commit_seq: int,
    previous: str | None,
    updated_at: datetime,
    retired: list[str],
    actor: Actor,
) -> Complete:
    return Complete(
        **ref_of(run.request),
        run_rev=run.rev,
        commit_seq=commit_seq,
        version=version,
        previous_version_id=previous,
        updated_at=updated_at,
        retired=retired,
        cost=run.spent.cost,
        actor=actor,
    )


def commit_time(now: datetime, previous: datetime | None) -> datetime:
    """In whole milliseconds. It increases with every commit of an asset, even if the clock is set back.

    Media URLs depend on it.
    """
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return now if previous is None else max(now, previous + timedelta(milliseconds=1))
