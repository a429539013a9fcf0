"""Paid calls to providers: each write is a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg

from services.generator import metrics
from services.generator.domain.calls import Call, CallState, Handle
from services.generator.domain.problems import spend_cap_currency, spend_cap_reached
from services.generator.domain.runs import failed, submitted
from services.generator.domain.states import RunState
from services.generator.providers.base import CandidateRequest
from services.generator.store.rows import RUN, UNKNOWN_CHARGES, run_of
from shared.contracts.pricing import Quote
from shared.contracts.values import Cost, Problem, SpendCap
from shared.core.clock import Clock
from shared.core.errors import Fenced, Permanent
from shared.core.ids import NewId
from shared.messaging import outbox
from shared.messaging.events import Publisher
from shared.postgres.pool import Connection, Pool
from shared.postgres.retry import retryable_transaction

# Much longer than a request can take, even with the hour for which providers keep predictions: nothing older or newer
# can be confused with it.
_AROUND: Final = "interval '2 hours'"
_CALL: Final = """call_id, run_id, position, provider, model, state, handle, amount, currency, estimated, intended_at,
    charge_unknown, request"""

_LOCK_RUN: Final = """
    select project_id, request->'project_settings'->'spend_cap' as cap from runs
    where run_id = $1 and state = 'generating' and attempt = $2 for update
"""
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(hashtext('spending'), hashtext($1))"
# The cost of a call counts once it is known; until then, also if it is never told, the amount that is reserved for it.
# UTC months.
_SPENDING: Final = """
    select coalesce(sum(amount), 0) as spent,
           coalesce(sum(reserved) filter (where amount is null
                                            and (charge_unknown or state in ('intended', 'submitted'))), 0) as reserved
    from provider_calls
    where project_id = $1 and currency = $2
      and ($3 = 'total' or intended_at >= date_trunc('month', $4::timestamptz, 'UTC'))
"""
_INTEND: Final = f"""
    insert into provider_calls (call_id, run_id, position, attempt, provider, model, state, intended_at, request,
                                project_id, reserved, currency)
    select $1, run_id, $3, $4, provider, model, 'intended', $5, $6, project_id, $7, $8 from runs where run_id = $2
    returning {_CALL}
"""
_SUBMITTED: Final = f"""
    with closed as (delete from provider_breakers where provider = $4)
    update provider_calls set state = 'submitted', handle = $2, submitted_at = $3
    where call_id = $1 and state in ('intended', 'submitted') returning {_CALL}
"""
_COMPLETE_HANDLE: Final = f"""
    update provider_calls set handle = $2, request = $3
    where call_id = $1 and state = 'submitted' returning {_CALL}
"""
_RUN: Final = f"select {RUN} from runs where run_id = $1 and state = 'generating'"
# One adoption at a time: two workers that search at the same moment find the same prediction.
_ONE_ADOPTION: Final = "select pg_advisory_xact_lock(hashtext('adopting'), hashtext($1))"
_ADOPT: Final = f"""
    update provider_calls mine set state = 'submitted', handle = $2, submitted_at = $3
    where call_id = $1 and state in ('intended', 'submitted') and not exists (
        select 1 from provider_calls other
        where other.model = mine.model and other.call_id <> mine.call_id and other.handle->>'id' = $2::jsonb->>'id'
          and other.intended_at between mine.intended_at - {{around}} and mine.intended_at + {{around}})
    returning {_CALL}
""".format(around=_AROUND)
_NEIGHBOURS: Final = f"""
    select {_CALL} from provider_calls
    where model = $1 and call_id <> $2
      and intended_at between $3::timestamptz - {_AROUND} and $3::timestamptz + {_AROUND}
"""
# The run before its calls, as when a run ends.
_LOCK: Final = "select 1 from runs where run_id = $1 for update"
_CHARGE: Final = """
    with charged as (
        update provider_calls set amount = $2, currency = $3, estimated = $4, charge_unknown = false
        where call_id = $1 and amount is null
        returning run_id as charged_run
    )
    update runs set spent = spent + $2, spent_currency = $3, spent_estimated = spent_estimated or $4, calls = calls + 1
    from charged where runs.run_id = charged_run returning run_id
"""
_FINISH: Final = """
    update provider_calls
    set state = $2, problem = $3, ended_at = $4, charge_unknown = $5 and amount is null and reserved > 0
    where call_id = $1 and state in ('intended', 'submitted')
"""
# Clients hear again of a run that has ended once more of its cost is known than when it ended.
_HAS_ENDED: Final = "(select state in ('failed', 'cancelled') from runs where run_id = $1)"
_RECOUNT: Final = f"""
    with untold(number, price, reason) as ({UNKNOWN_CHARGES.format(ended=_HAS_ENDED)})
    update runs set unknown_calls = number, unknown_at_most = price, unknown_reason = reason,
                    rev = rev + case when state in ('failed', 'cancelled') then 1 else 0 end
    from untold
    where run_id = $1 and ($2 or (unknown_calls, unknown_at_most, unknown_reason) is distinct from
                                 (number::integer, price, reason))
    returning {RUN}, problem
"""


class CallRepository:
    """Raises Retryable("database_unavailable") when the database is away."""

    def __init__(self, pool: Pool, publisher: Publisher, clock: Clock, new_id: NewId) -> None:
        self._pool = pool
        self._publisher = publisher
        self._clock = clock
        self._new_id = new_id

    async def find_open(self, run_id: str, position: int) -> Call | None:
        """The call of this candidate that has not ended, if there is one."""
        row = await self._row(
            f"select {_CALL} from provider_calls where run_id = $1 and position = $2 "
            "and state in ('intended', 'submitted')",
            run_id,
            position,
        )
        return _call(row) if row else None

    async def record_intent(self, request: CandidateRequest, prepared: Mapping[str, Any]) -> Call:
        """Reserves what the call may cost in the same transaction. Raises Fenced if the run belongs to another attempt,
        UserError if the call would exceed the project's spend cap."""
        now, price = self._clock.now(), request.quote
        needed = price.total if price else Decimal(0)
        async with retryable_transaction(self._pool) as connection:
            run = await connection.fetchrow(_LOCK_RUN, request.run_id, request.attempt)
            if run is None:
                raise Fenced(request.run_id)
            if run["cap"] and price and needed > 0:  # what costs nothing is never refused for money
                await _check_spending(connection, run["project_id"], SpendCap.model_validate(run["cap"]), price, now)
            row = await connection.fetchrow(
                _INTEND,
                self._new_id(),
                request.run_id,
                request.position,
                request.attempt,
                now,
                dict(prepared),
                needed,
                price.currency if price else "USD",
            )
        assert row is not None, "the run is locked"
        return _call(row)

    async def mark_submitted(self, call: Call, handle: Handle) -> Call:
        """The provider accepted the call, so its circuit breaker closes. Which call it is, is published."""
        async with retryable_transaction(self._pool) as connection:
            row = await connection.fetchrow(_SUBMITTED, call.call_id, dict(handle), self._clock.now(), call.provider)
            if row is None:
                raise Permanent("call_over", f"call {call.call_id} has ended")
            await self._tell(connection, call, handle)
        return _call(row)

    async def complete_handle(self, call: Call, handle: Handle, prepared: Mapping[str, Any]) -> Call:
        """Of a call that is known by the provider's id alone: what its handle and its request are."""
        row = await self._row(_COMPLETE_HANDLE, call.call_id, dict(handle), dict(prepared))
        if row is None:
            raise Permanent("call_over", f"call {call.call_id} has ended")
        return _call(row)

    async def neighbours(self, call: Call) -> list[Call]:
        """The other calls of its model at about the same time, in any state."""
        async with retryable_transaction(self._pool) as connection:
            rows = await connection.fetch(_NEIGHBOURS, call.model, call.call_id, call.intended_at)
        return [_call(row) for row in rows]

    async def adopt(self, call: Call, handle: Handle) -> Call | None:
        """Like `mark_submitted`, for a prediction that was found; None if it belongs to another call (by its `id`)."""
        async with retryable_transaction(self._pool) as connection:
            await connection.execute(_ONE_ADOPTION, call.model)
            row = await connection.fetchrow(_ADOPT, call.call_id, dict(handle), self._clock.now())
            if row is not None:
                await self._tell(connection, call, handle)
        return _call(row) if row else None

    async def record_cost(self, call: Call, cost: Cost) -> None:
        """Replaces the reserved amount by the actual cost, once, however often it is called.

        The call stays open until its candidate is stored. If its run has failed or was cancelled, that is published
        again with the new cost.
        """
        amount = Decimal(cost.amount)
        async with retryable_transaction(self._pool) as connection:
            await connection.execute(_LOCK, call.run_id)
            charged = await connection.fetchval(_CHARGE, call.call_id, amount, cost.currency, cost.basis == "estimated")
            if charged is None:
                return
            await self._recount(connection, call, charged=amount > 0)
        metrics.PAID.labels(call.provider, call.model, cost.currency).inc(float(amount))

    async def finish(
        self, call: Call, state: CallState, problem: Problem | None = None, *, may_be_charged: bool = False
    ) -> None:
        """`may_be_charged`: if no cost was recorded, it is unknown; else there is none."""
        async with retryable_transaction(self._pool) as connection:
            await connection.execute(_LOCK, call.run_id)
            await connection.execute(
                _FINISH,
                call.call_id,
                state,
                problem.model_dump() if problem else None,
                self._clock.now(),
                may_be_charged,
            )
            await self._recount(connection, call)

    async def _recount(self, connection: Connection, call: Call, *, charged: bool = False) -> None:
        """What is unknown of the run's cost, after one of its calls has changed."""
        row = await connection.fetchrow(_RECOUNT, call.run_id, charged)
        if row is None or not row["problem"]:
            return
        run = run_of(row)
        if run.state in (RunState.FAILED, RunState.CANCELLED):
            event = failed(run, Problem.model_validate(row["problem"]))
            await outbox.publish(connection, self._publisher.messages([event], run.cause))

    async def tell(self, call: Call, handle: Handle) -> None:
        """Publishes which call at the provider the run's attempt follows."""
        async with retryable_transaction(self._pool) as connection:
            await self._tell(connection, call, handle)

    async def _tell(self, connection: Connection, call: Call, handle: Handle) -> None:
        row = await connection.fetchrow(_RUN, call.run_id)
        if row is not None and handle.get("id") is not None:
            run = run_of(row)
            event = submitted(run, call.position, str(handle["id"]))
            await outbox.publish(connection, self._publisher.messages([event], run.cause))

    async def get(self, call_id: str) -> Call | None:
        row = await self._row(f"select {_CALL} from provider_calls where call_id = $1", call_id)
        return _call(row) if row else None

    async def _row(self, statement: str, *args: Any) -> asyncpg.Record | None:
        async with retryable_transaction(self._pool) as connection:
            return await connection.fetchrow(statement, *args)


async def _check_spending(connection: Connection, project_id: str, cap: SpendCap, price: Quote, now: datetime) -> None:
    """Checks one call at a time, so that two of them never reserve the same money. Raises UserError."""
    if cap.currency != price.currency:
        raise spend_cap_currency(cap, price.currency)
    await connection.execute(_ONE_AT_A_TIME, project_id)
    row = await connection.fetchrow(_SPENDING, project_id, cap.currency, cap.period, now)
    assert row is not None, "a sum has a row"
    if row["spent"] + row["reserved"] + price.total > Decimal(cap.amount):
        raise spend_cap_reached(cap, spent=row["spent"], reserved=row["reserved"], needed=price.total)


def _call(row: asyncpg.Record) -> Call:
    cost = None
    if row["amount"] is not None:
        cost = Cost(
            amount=str(row["amount"]),
            currency=row["currency"],
            calls=1,
            basis="estimated" if row["estimated"] else "reported",
        )
    return Call(
        row["call_id"],
        row["run_id"],
        row["position"],
        row["provider"],
        row["model"],
        CallState(row["state"]),
        row["handle"],
        cost,
        row["intended_at"],
        row["request"],
        row["charge_unknown"],
    )
