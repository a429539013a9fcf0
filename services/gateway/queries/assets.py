"""Assets: the slot, its draft, what is committed, what waits for a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.gateway.api.schemas.assets import Asset, AssetList, AssetOutline, Stale
from services.gateway.api.schemas.runs import Run
from services.gateway.domain.narration_language import guess_language
from services.gateway.domain.paging import Page
from services.gateway.domain.run_settings import default_settings, guessed_language, prompt_texts
from services.gateway.domain.settings import snapshot
from services.gateway.queries.base import Filter, Row
from services.gateway.queries.runs import RunQueries
from services.gateway.store.assets import narration_scripts
from shared.contracts.settings_resolver import ExistingVersion
from shared.contracts.values import AssetKind, Output, SettingSource

_SELECT: Final = """
    select t.*, s.number as segment_number, s.duration as segment_duration, s.style as segment_style,
           s.characters as segment_characters, e.output, p.settings as project_settings,
           r.status as active_status,
           greatest(t.updated_at, (select max(updated_at) from runs where asset_id = t.asset_id)) as seen_at
    from assets t
    join episodes e on e.episode_id = t.episode_id
    join projects p on p.project_id = t.project_id
    left join segments s on s.segment_id = t.segment_id
    left join runs r on r.run_id = t.active_run_id
"""
_ONE: Final = _SELECT + "where t.asset_id = $1 and t.deleted_at is null"
_OF_EPISODE: Final = _SELECT + "where t.episode_id = $1 and t.deleted_at is null"
_STALE: Final = "case when t.stale_since is null then 'false' else 'true' end"


class AssetQueries(RunQueries):
    async def asset(self, asset_id: str) -> Asset:
        return (await self._assets([await self._one("asset", _ONE, asset_id)]))[0]

    async def assets(self, episode_id: str, page: Page) -> AssetList:
        filters = {
            "kind": Filter("t.kind", tuple(AssetKind)),
            "stale": Filter(_STALE, ("true", "false")),
            "segment_id": Filter("t.segment_id"),
            "asset_id": Filter("t.asset_id"),
        }
        rows, following = await self._page(_OF_EPISODE, [episode_id], page, by="t.asset_id", filters=filters)
        return AssetList(data=await self._assets(rows), next_cursor=following)

    async def _assets_of(self, episode_id: str) -> list[Asset]:
        """All of them, in the order they were made."""
        return await self._assets(await self._connection.fetch(_OF_EPISODE + " order by t.asset_id", episode_id))

    async def _asset_outlines(self, episode_id: str) -> list[AssetOutline]:
        rows = await self._connection.fetch(_OF_EPISODE + " order by t.asset_id", episode_id)
        return [
            AssetOutline(
                id=r["asset_id"],
                segment_id=r["segment_id"],
                kind=r["kind"],
                label=r["label"],
                has_draft=r["draft"] is not None,
                committed_version_id=r["committed_version_id"],
                committed_at=r["committed_at"],
                active_run_id=r["active_run_id"],
                active_status=r["active_status"],
                stale=r["stale_since"] is not None,
                revision=r["revision"],
                updated_at=r["seen_at"],
            )
            for r in rows
        ]

    async def _assets(self, rows: Sequence[Row]) -> list[Asset]:
        committed = await self._versions_of([r["committed_version_id"] for r in rows if r["committed_version_id"]])
        waiting = await self._runs_by_id([r["active_run_id"] for r in rows if r["active_status"] == "preview_ready"])
        scripts = await self._scripts_of({r["episode_id"] for r in rows if r["kind"] == AssetKind.NARRATION})
        return [
            self._asset(
                r,
                committed.get(r["committed_version_id"]),
                waiting.get(r["active_run_id"]),
                scripts.get(r["episode_id"], []),
            )
            for r in rows
        ]

    async def _scripts_of(self, episode_ids: set[str]) -> dict[str, list[str]]:
        return {episode_id: await narration_scripts(self._connection, episode_id) for episode_id in episode_ids}

    def _asset(self, row: Row, committed: Row | None, waiting: Run | None, scripts: Sequence[str]) -> Asset:
        return Asset(
            id=row["asset_id"],
            project_id=row["project_id"],
            episode_id=row["episode_id"],
            segment_id=row["segment_id"],
            segment_number=row["segment_number"],
            kind=row["kind"],
            label=row["label"],
            draft=row["draft"],
            defaults=self._defaults(row, committed, scripts),
            committed=self._version(committed) if committed else None,
            committed_at=row["committed_at"],
            preview=waiting,
            active_run_id=row["active_run_id"],
            stale=Stale(cause="starting_image", since=row["stale_since"]) if row["stale_since"] else None,
            revision=row["revision"],
            created_at=row["created_at"],
            updated_at=row["seen_at"],  # rises with changes of its runs, too
        )

    def _defaults(self, row: Row, committed: Row | None, scripts: Sequence[str]) -> Mapping[str, Any]:
        project = snapshot(row["project_settings"], Output(**row["output"]), {})
        texts = prompt_texts(
            AssetKind(row["kind"]), project, row["segment_style"], row["segment_characters"], _existing(committed)
        )
        settings = default_settings(
            AssetKind(row["kind"]),
            project,
            _existing(committed),
            row["segment_duration"],
            self._catalogue,
            self._provider,
        )
        if row["kind"] == AssetKind.NARRATION and "language" not in settings:
            script = (row["draft"] or {}).get("directions") or (committed["directions"] if committed else "")
            settings |= guessed_language(settings, guess_language(script, scripts), self._catalogue)
        return texts | settings


def _existing(committed: Row | None) -> ExistingVersion:
    if committed is None:
        return ExistingVersion()
    return ExistingVersion(
        committed["model"],
        settings={n: s["value"] for n, s in committed["settings"].items() if s["source"] != SettingSource.GUESSED},
    )
