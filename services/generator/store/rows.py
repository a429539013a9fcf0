"""Rows of runs to domain objects and back, and what every repository of runs can do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
from pydantic import TypeAdapter

from services.generator.domain.attempts import Attempt
from services.generator.domain.runs import Run, Spent
from services.generator.domain.states import SOURCES_OF, RunState, outcome_of_candidate
from shared.contracts.base import Event
from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import Problem, Settings
from shared.messaging import inbox, outbox
from shared.messaging.events import Cause, Message, Publisher
from shared.postgres.pool import Connection

RUN: Final = """run_id, request, state, rev, settings, provider, model, attempt, failures, step, traceparent,
    spent, spent_currency, spent_estimated, calls, unknown_calls, unknown_at_most, unknown_reason,
    project_id, owner_id, correlation_id, event_id"""

_SETTINGS: Final = TypeAdapter(Settings)

# What a run's calls may cost in addition to `spent`. A call that is open when its run fails or is cancelled was sent,
# or may have been.
UNKNOWN_CHARGES: Final = """
    select count(*) as unknown_calls, coalesce(sum(reserved), 0) as unknown_at_most,
           case when bool_or(charge_unknown) then 'cost.untold' when count(*) > 0 then 'cost.awaited' end
               as unknown_reason
    from provider_calls
    where run_id = $1 and amount is null and reserved > 0
      and (charge_unknown or (state in ('intended', 'submitted') and {ended}))
"""
_END: Final = f"""
    with untold as ({UNKNOWN_CHARGES.format(ended="$2 in ('failed', 'cancelled')")}), ended as (
        update runs set state = $2, rev = rev + 1, token = null, problem = $5, ended_at = $6, updated_at = $6,
                        (unknown_calls, unknown_at_most, unknown_reason) = (select * from untold)
        where run_id = $1 and state = any($3) and ($4::uuid is null or token = $4)
        returning {RUN}
    ), settled as (
        update versions v set status = $7, settled_at = $6
        from candidates c join ended using (run_id)
        where v.version_id = c.version_id and v.status = 'candidate'
    ), paid as (
        update provider_calls p set state = 'succeeded', ended_at = $6
        from ended where p.run_id = ended.run_id and p.state = 'submitted' and p.amount is not null
    )
    select {RUN} from ended
"""


class Rows:
    """Bound to one transaction."""

    def __init__(self, connection: Connection, publisher: Publisher) -> None:
        self._db = connection
        self._publisher = publisher

    async def publish(self, cause: Cause, *events: Event) -> None:
        await outbox.publish(self._db, self._publisher.messages(events, cause))

    async def park(self, run_id: str, message: Message[Any]) -> None:
        await inbox.park(self._db, run_id, message)

    async def unpark(self, run_id: str) -> list[Message[Any]]:
        return list(await inbox.unpark(self._db, run_id))

    async def end(
        self,
        run_id: str,
        state: RunState,
        now: datetime,
        *,
        only_from: frozenset[RunState] | None = None,
        problem: Problem | None = None,
        attempt: Attempt | None = None,
    ) -> Run | None:
        """Moves the run and its candidates to a terminal state; None if its state does not allow that, or the attempt
        is fenced."""
        row = await self._db.fetchrow(
            _END,
            run_id,
            state,
            states(only_from or SOURCES_OF[state]),
            attempt.token if attempt else None,
            problem.model_dump() if problem else None,
            now,
            outcome_of_candidate(state),
        )
        return run_of(row) if row else None


def states(of: Sequence[RunState] | frozenset[RunState]) -> list[str]:
    return [state.value for state in of]


def dump_settings(settings: Settings) -> Any:
    return _SETTINGS.dump_python(settings, mode="json")


def run_of(row: asyncpg.Record) -> Run:
    return Run(
        request=RegenerateRequested.model_validate(row["request"]),
        cause=Cause(row["project_id"], row["owner_id"], row["correlation_id"], row["event_id"]),
        state=RunState(row["state"]),
        rev=row["rev"],
        settings=_SETTINGS.validate_python(row["settings"]),
        provider=row["provider"],
        model=row["model"],
        attempt=row["attempt"],
        failures=row["failures"],
        step=row["step"],
        spent=Spent(
            row["spent"],
            row["spent_currency"],
            row["spent_estimated"],
            row["calls"],
            row["unknown_calls"],
            row["unknown_at_most"],
            row["unknown_reason"],
        ),
        traceparent=row["traceparent"],
    )
