"""Request counts per rate window, summed over all replicas in an unlogged table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.gateway.domain.rate_windows import WindowCount
from shared.postgres.pool import Pool

_ADD: Final = """
    insert into rate_windows as w (policy, caller, begun, count)
    select * from unnest($1::text[], $2::text[], $3::float8[], $4::bigint[])
    on conflict (policy, caller) do update set
        begun = case when w.begun > $5 then w.begun else excluded.begun end,
        count = case when w.begun > $5 then w.count else 0 end + excluded.count
    returning w.policy, w.caller, w.begun, w.count
"""


class RateWindows:
    """One statement adds the counts of all callers that have sent requests since the last one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, used: Sequence[WindowCount], now: float, window_s: int) -> list[WindowCount]:
        """Adds to each caller's window, or begins a new one if the last is over. Returns the current windows."""
        rows = await self._pool.fetch(
            _ADD,
            [u.policy for u in used],
            [u.caller for u in used],
            [u.begun for u in used],
            [u.count for u in used],
            now - window_s,
        )
        return [WindowCount(*row) for row in rows]
