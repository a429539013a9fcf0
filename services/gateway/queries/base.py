"""What every view shares: its connection, the links it hands out, and pages of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from services.gateway.api.schemas.base import Costs, Failure, Money
from services.gateway.domain.errors import invalid, not_found
from services.gateway.domain.links import Links
from services.gateway.domain.paging import Page, encode_cursor
from shared.contracts.catalogue import Catalogue
from shared.core.ids import is_id
from shared.postgres.pool import Connection

Json = dict[str, Any]
Row = asyncpg.Record


class QueryBase:
    """Reads for one caller on one connection, as a rule inside a repeatable-read transaction."""

    def __init__(
        self,
        connection: Connection,
        links: Links,
        catalogue: Catalogue,
        provider: str,
        now: datetime,
        step_by_step_share: float = 1.0,
    ) -> None:
        self._connection = connection
        self._links = links
        self._catalogue = catalogue
        self._provider = provider
        self._now = now
        self._step_by_step_share = step_by_step_share

    async def _one(self, what: str, sql: str, *args: Any) -> Row:
        row = await self._connection.fetchrow(sql, *args)
        if row is None:
            raise not_found(what)
        return row

    async def _page(
        self,
        sql: str,
        args: Sequence[Any],
        page: Page,
        *,
        by: str,
        created: str | None = "t.created_at",
        filters: Mapping[str, str] | None = None,
        down: bool = True,
    ) -> tuple[list[Row], str | None]:
        """One page of `select … from … t where …`, sorted by the id column `by`, and where the next one begins.

        `filters`: the names that this list knows and the text (or, for `…_id`, uuid) expression of each.
        """
        where, values = [], list(args)

        def value(v: Any) -> str:
            values.append(v)
            return f"${len(values)}"

        for name, expression in (filters or {}).items():
            if name not in page.filters:
                continue
            wanted = list(page.filters[name])
            if name.endswith("_id"):
                wanted = [w for w in wanted if is_id(w)]
                where.append(f"{expression} = any({value(wanted)}::uuid[])")
            else:
                where.append(f"{expression} = any({value(wanted)}::text[])")
        if created and page.created_after:
            where.append(f"{created} > {value(page.created_after)}")
        if created and page.created_before:
            where.append(f"{created} < {value(page.created_before)}")
        if page.after is not None:
            where.append(f"{by} {'<' if down else '>'} {value(_place(page.after, by))}")
        more = "".join(f" and {w}" for w in where)
        order = f" order by {by} {'desc' if down else 'asc'} limit {page.limit + 1}"
        rows = await self._connection.fetch(sql + more + order, *values)
        column = by.rpartition(".")[2]
        last = str(rows[page.limit - 1][column]) if len(rows) > page.limit else None
        return rows[: page.limit], encode_cursor(last)


def _place(after: str, by: str) -> str | int:
    """A cursor's content: an id, or a number for lists that are counted."""
    if by.endswith(("number", ".id")):
        if after.isascii() and after.isdigit() and len(after) < 18:
            return int(after)
    elif by.endswith("user_id") or is_id(after):
        return after
    raise invalid(("query:cursor", "is not a valid cursor; omit it to start over"))


def money(cost: Mapping[str, Any] | None, basis: str) -> Money | None:
    """The amount if it is known on that basis (estimated or reported)."""
    if not cost or cost.get("basis") != basis:
        return None
    return Money(amount=cost["amount"], currency=cost["currency"])


def costs(cost: Mapping[str, Any] | None) -> Costs:
    return Costs(estimated=money(cost, "estimated"), actual=money(cost, "reported"))


def failure(error: Mapping[str, Any] | None) -> Failure | None:
    """A stored Problem as the API shows it."""
    if not error:
        return None
    return Failure(
        code=error.get("code"),
        message=" ".join(t for t in (error.get("cause"), error.get("recovery")) if t),
        cause=error.get("cause"),
        recovery=error.get("recovery"),
        retryable=bool(error.get("retryable")),
    )
