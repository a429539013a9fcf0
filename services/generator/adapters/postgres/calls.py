"""Calls to providers that cost, in PostgreSQL: each write a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import asyncpg

from services.generator.usecases.ports import Order
from services.generator.usecases.remote import Call, CallState, Handle
from shared.clock import Clock
from shared.contracts.values import Cost, Problem
from shared.errors import Fenced, Permanent, Retryable
from shared.ids import NewId
from shared.postgres import UNAVAILABLE, Pool, transaction

_CALL: Final = """call_id, run_id, position, provider, model, state, handle, amount, currency, estimated, intended_at,
    request"""

_INTEND: Final = f"""
    insert into provider_calls (call_id, run_id, position, attempt, provider, model, state, intended_at, request)
    select $1, run_id, $3, $4, provider, model, 'intended', $5, $6 from runs
    where run_id = $2 and state = 'generating' and attempt = $4 for update
    returning {_CALL}
"""
_CHARGE: Final = """
    with charged as (
        update provider_calls set amount = $2, currency = $3, estimated = $4 where call_id = $1 and amount is null
        returning run_id
    )
    update runs set spent = spent + $2, spent_currency = $3, spent_estimated = spent_estimated or $4, calls = calls + 1
    from charged where runs.run_id = charged.run_id
"""


class PostgresCalls:
    """Implements `usecases.remote.Calls`."""

    def __init__(self, pool: Pool, clock: Clock, new_id: NewId) -> None:
        self._pool = pool
        self._clock = clock
        self._new_id = new_id

    async def open(self, run_id: str, position: int) -> Call | None:
        row = await self._row(f"select {_CALL} from provider_calls where run_id = $1 and position = $2 "
                              "and state in ('intended', 'submitted')", run_id, position)
        return _call(row) if row else None

    async def intend(self, order: Order, request: Mapping[str, Any]) -> Call:
        row = await self._row(_INTEND, self._new_id(), order.run_id, order.position, order.attempt, self._clock.now(),
                              dict(request))
        if row is None:
            raise Fenced(order.run_id)
        return _call(row)

    async def submitted(self, call: Call, handle: Handle) -> Call:
        row = await self._row(
            f"update provider_calls set state = 'submitted', handle = $2, submitted_at = $3 "
            f"where call_id = $1 and state in ('intended', 'submitted') returning {_CALL}",
            call.call_id, dict(handle), self._clock.now())
        if row is None:
            raise Permanent("call_over", f"call {call.call_id} is over")
        return _call(row)

    async def charge(self, call: Call, cost: Cost) -> None:
        await self._row(_CHARGE, call.call_id, Decimal(cost.amount), cost.currency, cost.basis == "estimated")

    async def end(self, call: Call, state: CallState, problem: Problem | None = None) -> None:
        await self._row(
            "update provider_calls set state = $2, problem = $3, ended_at = $4 "
            "where call_id = $1 and state in ('intended', 'submitted')",
            call.call_id, state, problem.model_dump() if problem else None, self._clock.now())

    async def load(self, call_id: str) -> Call | None:
        row = await self._row(f"select {_CALL} from provider_calls where call_id = $1", call_id)
        return _call(row) if row else None

    async def _row(self, statement: str, *args: Any) -> asyncpg.Record | None:
        try:
            async with transaction(self._pool) as connection:
                return await connection.fetchrow(statement, *args)
        except UNAVAILABLE as e:
            raise Retryable("database_unavailable", f"The database is away: {e!r}") from e


def _call(row: asyncpg.Record) -> Call:
    cost = None
    if row["amount"] is not None:
        cost = Cost(amount=str(row["amount"]), currency=row["currency"], calls=1,
                    basis="estimated" if row["estimated"] else "reported")
    return Call(row["call_id"], row["run_id"], row["position"], row["provider"], row["model"],
                CallState(row["state"]), row["handle"], cost, row["intended_at"], row["request"])
