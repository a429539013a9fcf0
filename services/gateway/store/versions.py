"""Versions: their facts are written once; their status follows from the newest run that offered them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.gateway.domain.runs import Run, RunState
from services.gateway.domain.versions import VersionRecord, VersionStatus, version_status
from shared.contracts.values import AssetKind, Version
from shared.postgres.deferred_writes import defer
from shared.postgres.pool import Connection

# Once accepted, a version stays accepted: a rollback offers it again and, whatever becomes of that run, it can be
# rolled back to later. A version that is offered is available, even if retention had marked it in between.
_STORE: Final = """
    insert into versions (version_id, project_id, episode_id, asset_id, segment_id, kind, run_id, number, status,
        object, poster, filmstrip, proxy, media, quality, directions, model, provider, seed, starting_image_version_id,
        settings, cost, info, accepted_at, closed_at, created_at, updated_at, differences)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
            case when $9 = 'accepted' then $24::timestamptz end,
            case when $9 in ('rejected', 'expired', 'not_chosen') then $24::timestamptz end, $24, $24, $25)
    on conflict (version_id) do update
    set status = $9, accepted_at = coalesce(versions.accepted_at, excluded.accepted_at), closed_at = excluded.closed_at,
        retired_at = case when $9 in ('preview', 'accepted') then null else versions.retired_at end,
        updated_at = greatest(versions.updated_at, $24)
    where versions.status <> $9 and versions.status <> 'accepted'
"""
_CLOSE: Final = """
    update versions v set status = new.status, updated_at = $3,
        accepted_at = case when new.status = 'accepted' then coalesce(v.accepted_at, $3) else v.accepted_at end,
        closed_at = case when new.status in ('rejected', 'expired', 'not_chosen') then $3 end
    from unnest($1::uuid[], $2::text[]) as new(version_id, status)
    where v.version_id = new.version_id and v.status <> new.status and v.status <> 'accepted'
"""
_FACTS: Final = """
    select v.version_id, v.number as version_number, v.directions, v.model, v.media, v.quality, v.differences
    from unnest($1::uuid[]) with ordinality as named(version_id, place) join versions v using (version_id)
    order by place
"""


class VersionRepository:
    def __init__(self, connection: Connection) -> None:
        self._db = connection

    async def get(self, version_id: str) -> VersionRecord | None:
        row = await self._db.fetchrow("select * from versions where version_id = $1", version_id)
        return version_of(dict(row)) if row else None

    async def preview_facts(self, version_ids: Sequence[str]) -> list[dict[str, Any]]:
        """{version_id, version_number, directions, model, media, quality, differences} of each, in the given order."""
        return [dict(r) for r in await self._db.fetch(_FACTS, list(version_ids))]

    async def store(self, run: Run, versions: Sequence[tuple[Version, VersionStatus]], at: datetime) -> None:
        """Inserts versions that are new, and gives each the status."""
        for version, status in versions:
            v = version.model_dump(mode="json")
            await defer(
                self._db,
                "versions",
                _STORE,
                version.version_id,
                run.project_id,
                run.episode_id,
                run.asset_id,
                run.segment_id,
                run.kind,
                run.run_id,
                version.version_number,
                status,
                v["object"],
                v["poster"],
                v["filmstrip"],
                v["proxy"],
                v["media"],
                v["quality"],
                version.directions,
                version.model,
                version.provider,
                version.seed,
                version.starting_image_version_id,
                v["settings"],
                v["cost"],
                v["info"],
                at,
                v["differences"],
            )

    async def close(self, run: Run, state: RunState, chosen: str | None, at: datetime) -> None:
        """Gives the run's candidates the status that follows from the run's state."""
        if run.candidates:
            statuses = [version_status(state, chosen=v == chosen).value for v in run.candidates]
            await defer(self._db, "versions", _CLOSE, list(run.candidates), statuses, at)

    async def mark_committed(self, version_id: str, at: datetime) -> None:
        await defer(
            self._db,
            "versions",
            "update versions set committed_at = $2, retired_at = null where version_id = $1",
            version_id,
            at,
        )

    async def retire(self, version_ids: Sequence[str], at: datetime) -> None:
        await defer(
            self._db,
            "versions",
            "update versions set retired_at = coalesce(retired_at, $2), updated_at = greatest(updated_at, $2) "
            "where version_id = any($1::uuid[])",
            list(version_ids),
            at,
        )


def version_of(row: Mapping[str, Any] | None) -> VersionRecord | None:
    """From a row, or from a row that PostgreSQL has converted to JSON, where times are strings."""
    if row is None:
        return None
    return VersionRecord(
        version_id=row["version_id"],
        project_id=row["project_id"],
        episode_id=row["episode_id"],
        asset_id=row["asset_id"],
        kind=AssetKind(row["kind"]),
        run_id=row["run_id"],
        number=row["number"],
        status=VersionStatus(row["status"]),
        directions=row["directions"],
        model=row["model"],
        closed_at=_time(row["closed_at"]),
        retired_at=_time(row["retired_at"]),
        settings=row["settings"],
        duration_s=(row["media"] or {}).get("duration_s"),
    )


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
