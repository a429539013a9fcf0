"""Versions: how the committed pointer moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.generator.domain.retention import RetirementReason
from services.generator.domain.runs import Run
from services.generator.store.rows import RUN, Rows, run_of
from shared.contracts.values import Version
from shared.messaging import inbox

_COLUMNS: Final = ", ".join(f"r.{name.strip()}" for name in RUN.split(","))

_LOCK: Final = f"""
    select {_COLUMNS}, r.base_commit_seq, a.commit_seq, a.committed_version_id, a.updated_at as committed_at,
        (select v.facts from candidates c join versions v using (version_id)
         where c.run_id = r.run_id and c.version_id = $2) as candidate,
        (select array_agg(v.version_id order by v.accepted_at desc) from versions v
         where v.asset_id = r.asset_id and v.status = 'accepted' and v.purged_at is null
           and v.retired_at is null) as accepted
    from runs r join assets a using (asset_id) where r.run_id = $1 for update of a, r
"""
_COMMIT: Final = f"""
    with pointed as (
        update assets set committed_version_id = $2, commit_seq = commit_seq + 1, updated_at = $3
        where asset_id = $4
    ), decided as (
        update versions v
        set status = case when v.version_id = $2 then 'accepted' else 'not_chosen' end, settled_at = $3,
            accepted_at = case when v.version_id = $2 then $3 else v.accepted_at end,
            retired_at = case when v.version_id = $2 then null else v.retired_at end,
            retirement_reason = case when v.version_id = $2 then null else v.retirement_reason end
        from candidates c
        where c.run_id = $1 and v.version_id = c.version_id and (v.version_id = $2 or v.status = 'candidate')
    ), retired as (
        update versions v set retired_at = $3, retirement_reason = retirement.reason
        from unnest($5::uuid[], $6::text[]) as retirement(version_id, reason) where v.version_id = retirement.version_id
    )
    update runs set state = 'complete', rev = rev + 1, step = 'complete', ended_at = $3, updated_at = $3
    where run_id = $1 returning {RUN}
"""


@dataclass(frozen=True)
class PendingCommit:
    """A run that waits for its commit, its asset locked."""

    run: Run
    base_commit_seq: int | None
    commit_seq: int
    committed_version_id: str | None
    updated_at: datetime | None
    candidate: Version | None  # the accepted version, if it is one of the run's candidates
    accepted: tuple[str, ...] = ()  # the asset's accepted versions that are kept, newest first


class VersionRepository(Rows):
    """Bound to one transaction."""

    async def lock_pending(self, run_id: str, version_id: str) -> PendingCommit | None:
        """The run with its asset, locked until the transaction ends. None if there is no such run: then none is stored
        before that."""
        row = await self._db.fetchrow(_LOCK, run_id, version_id)
        if row is None:
            await inbox.lock_subject(self._db, run_id)
            row = await self._db.fetchrow(_LOCK, run_id, version_id)
        if row is None:
            return None
        candidate = Version.model_validate(row["candidate"]) if row["candidate"] else None
        return PendingCommit(
            run_of(row),
            row["base_commit_seq"],
            row["commit_seq"],
            row["committed_version_id"],
            row["committed_at"],
            candidate,
            tuple(row["accepted"] or ()),
        )

    async def commit(
        self, pending: PendingCommit, updated_at: datetime, retired: Mapping[str, RetirementReason]
    ) -> Run:
        """Moves the pointer and ends the run. `retired` maps the versions that are no longer kept to the reason."""
        assert pending.candidate is not None
        row = await self._db.fetchrow(
            _COMMIT,
            pending.run.run_id,
            pending.candidate.version_id,
            updated_at,
            pending.run.request.asset_id,
            list(retired),
            [why.value for why in retired.values()],
        )
        assert row is not None, "the run is locked"
        return run_of(row)
