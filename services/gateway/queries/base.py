"""What every view shares: its connection, the links it hands out, and pages of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import asyncpg

from services.gateway.api.schemas.base import Costs, Failure, Money
from services.gateway.domain.errors import invalid, not_found
from services.gateway.domain.links import Links
from services.gateway.domain.paging import Page, encode_cursor
from shared.contracts.catalogue import Catalogue
from shared.core.ids import is_id
from shared.postgres.pool import Connection

UPLOAD: Final = "upload"
Json = dict[str, Any]
Row = asyncpg.Record


@dataclass(frozen=True)
class Filter:
    """`expression`: the SQL that is compared, a text or, without `values`, a uuid. `values`: what it may be."""

    expression: str
    values: tuple[str, ...] | None = None

    @property
    def type(self) -> str:
        return "uuid" if self.values is None else "text"

    def check(self, name: str, wanted: Sequence[str]) -> None:
        """Raises Refusal invalid."""
        check_filter(name, wanted, self.values)


def check_filter(name: str, wanted: Sequence[str], values: Sequence[str] | None) -> None:
    """`values` None: any id. Raises Refusal invalid that names the filter."""
    unknown = [w for w in wanted if (not is_id(w) if values is None else w not in values)]
    if not unknown:
        return
    if values is None:
        raise invalid((f"query:{name}", f"must be an id; {unknown[0]!r} is none"))
    raise invalid((f"query:{name}", f"must be one of {', '.join(values)}, not {unknown[0]!r}"))


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

    @property
    def _providers(self) -> tuple[str, ...]:
        """Every provider that a run can name: those of the catalogue, and files of people."""
        return (*sorted({model.provider for model in self._catalogue}), UPLOAD)

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
        filters: Mapping[str, Filter] | None = None,
        down: bool = True,
    ) -> tuple[list[Row], str | None]:
        """One page of `select … from … t where …`, sorted by the id column `by`, and where the next one begins.

        `filters`: what this list can be filtered by, by name. Raises Refusal invalid for a value that a filter does not
        know.
        """
        where, values = [], list(args)

        def value(v: Any) -> str:
            values.append(v)
            return f"${len(values)}"

        for name, given in (filters or {}).items():
            if name in page.filters:
                given.check(name, page.filters[name])
                where.append(f"{given.expression} = any({value(list(page.filters[name]))}::{given.type}[])")
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
    if not cost or cost.get("basis") != basis or cost.get("unknown"):
        return None
    return Money(amount=cost["amount"], currency=cost["currency"])


def costs(cost: Mapping[str, Any] | None) -> Costs:
    if cost and (unknown := cost.get("unknown")):
        at_most = Decimal(cost["amount"]) + Decimal(unknown["at_most"])
        return Costs(
            estimated=None,
            actual=None,
            reason=unknown["reason"],
            at_least=Money(amount=cost["amount"], currency=cost["currency"]),
            at_most=Money(amount=str(at_most), currency=cost["currency"]),
        )
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
