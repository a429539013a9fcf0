"""Estimates with the times that the models took before."""

from __future__ import annotations

from typing import Final

from services.gateway.api.schemas.base import Money
from services.gateway.api.schemas.estimates import Estimate, MissingPiece, PlannedRun
from services.gateway.domain import estimates as domain
from services.gateway.queries.base import QueryBase

# The median of the project's newest runs, from when they began to work until their preview was ready.
_TOOK: Final = """
    select v.model,
           percentile_cont(0.5) within group (order by extract(epoch from ready.at - started_at))::float as took
    from (select run_id, started_at, candidates[1] as version_id,
                 coalesce((request ->> 'variants')::int, 1) as variants
          from runs where project_id = $1 and source = 'generate' and started_at is not null
          order by created_at desc limit 300) r
    join versions v using (version_id)
    join lateral (select min(t.at) as at from run_steps t
                  where t.run_id = r.run_id and t.state = 'preview_ready') ready on ready.at is not null
    where variants = 1
    group by v.model
"""


class EstimateQueries(QueryBase):
    async def estimate(self, project_id: str, estimate: domain.Estimate) -> Estimate:
        took = {r["model"]: r["took"] for r in await self._connection.fetch(_TOOK, project_id)}
        return Estimate(
            dry_run=True,
            runs=[_run(run, took.get(run.model or "")) for run in estimate.runs],
            cost=[Money(amount=f"{a.normalize():f}", currency=c) for c, a in domain.total_cost(estimate.runs).items()],
            seconds=domain.total_seconds(estimate, took),
            missing=[
                MissingPiece(segment_number=m.number, kind=m.kind.value, cause=m.cause, recovery=m.recovery)
                for m in estimate.missing
            ],
        )


def _run(run: domain.PlannedRun, took: float | None) -> PlannedRun:
    return PlannedRun(
        asset_id=run.asset_id,
        segment_id=run.segment_id,
        segment_number=run.segment_number,
        kind=run.kind.value,
        variants=run.variants,
        model=run.model,
        provider=run.provider,
        cost=Money(amount=f"{run.amount.normalize():f}", currency=run.currency),
        seconds=None if took is None else round(took * run.variants, 1),
    )
