"""Segments: the waiting preview of the video, else its committed version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from services.gateway.api.schemas.segments import (
    GenerationParams,
    QualityMetrics,
    SceneInfo,
    Segment,
    SegmentAssets,
    SegmentList,
    SegmentOutline,
    SegmentsStatus,
    StatusOfSegment,
    Transition,
)
from services.gateway.api.schemas.versions import PreviousVersion
from services.gateway.domain.paging import Page
from services.gateway.domain.runs import RunStatus
from services.gateway.domain.segments import NewestRun, SegmentState, count_segments, segment_state
from services.gateway.queries.assets import AssetQueries
from services.gateway.queries.base import Filter, Json, Row
from services.gateway.queries.versions import SCORES, joined, resolution, style_of
from shared.contracts.values import SegmentType

_SELECT: Final = """
    select t.*, p.settings as project_settings,
           v.asset_id as video_id, i.asset_id as image_id, n.asset_id as narration_id,
           v.committed_version_id, v.draft,
           greatest(v.updated_at, (select max(updated_at) from runs where asset_id = v.asset_id)) as video_updated_at,
           case when a.status = 'preview_ready' then a.run_id end as waiting_run_id,
           case when a.status = 'preview_ready' then a.candidates[1] end as waiting_version_id,
           newest.status as run_status, newest.needs_revision, newest.parent_status,
           (select r.feedback from reviews r where r.asset_id = v.asset_id and r.verdict = 'rejected'
            order by r.created_at desc, r.review_id desc limit 1) as rejection_reason
    from segments t
    join projects p on p.project_id = t.project_id
    join assets v on v.segment_id = t.segment_id and v.kind = 'video'
    join assets i on i.segment_id = t.segment_id and i.kind = 'starting_image'
    join assets n on n.segment_id = t.segment_id and n.kind = 'narration'
    left join runs a on a.run_id = v.active_run_id
    left join lateral (
        select r.status, r.needs_revision, parent.status as parent_status
        from runs r left join runs parent on parent.run_id = r.parent_run_id
        where r.asset_id = v.asset_id and not r.held and r.status not in ('expired', 'cancelled')
        order by r.number desc limit 1
    ) newest on true
"""
_ONE: Final = _SELECT + "where t.segment_id = $1 and t.deleted_at is null"
_OF_EPISODE: Final = _SELECT + "where t.episode_id = $1 and t.deleted_at is null"

_EMPTY_SCENE: Final[dict[str, Any]] = {
    "scene_number": None,
    "location": None,
    "description": None,
    "characters": [],
    "dialogue": [],
}

_PREVIOUS: Final = """
    select asset_id, version_id, run_id, number, status, object, poster, retired_at, committed_at, created_at,
           directions, model, media ->> 'duration_s' as duration, quality ->> 'overall_score' as score
    from versions where asset_id = any($1::uuid[]) order by number desc
"""


class SegmentQueries(AssetQueries):
    async def segment(self, segment_id: str) -> Segment:
        return (await self._segments([await self._one("segment", _ONE, segment_id)]))[0]

    async def segments(self, episode_id: str, page: Page) -> SegmentList:
        rows, following = await self._page(
            _OF_EPISODE,
            [episode_id],
            page,
            by="t.number",
            down=False,
            filters={"segment_id": Filter("t.segment_id"), "kind": Filter("t.type", tuple(SegmentType))},
        )
        return SegmentList(data=await self._segments(rows), next_cursor=following)

    async def segments_status(self, episode_id: str) -> SegmentsStatus:
        rows = await self._connection.fetch(_OF_EPISODE + " order by t.number", episode_id)
        versions = await self._versions_of([v for r in rows if (v := _described_id(r))])
        states = [_shown(r) for r in rows]
        segments = [
            self._status(r, state, versions.get(_described_id(r) or "")) for r, state in zip(rows, states, strict=True)
        ]
        return SegmentsStatus(**asdict(count_segments(states)), segments=segments)

    def _status(self, row: Row, state: SegmentState, version: Row | None) -> StatusOfSegment:
        urls = self._urls(version) if version else {}
        return StatusOfSegment(
            id=row["segment_id"],
            segment_number=row["number"],
            status=state.status,
            approval_status=state.approval_status,
            video_url=urls.get("url"),
            thumbnail_url=urls.get("thumbnail_url"),
            duration=version["media"].get("duration_s") if version else row["duration"],
            quality_score=((version["quality"] or {}) if version else {}).get("overall_score"),
        )

    async def _segments_of(self, episode_id: str) -> list[Segment]:
        return await self._segments(await self._connection.fetch(_OF_EPISODE + " order by t.number", episode_id))

    async def _segment_outlines(self, episode_id: str) -> list[SegmentOutline]:
        rows = await self._connection.fetch(_OF_EPISODE + " order by t.number", episode_id)
        versions = await self._versions_of([v for r in rows if (v := _described_id(r))])
        return [self._outline(r, versions.get(_described_id(r) or "")) for r in rows]

    def _outline(self, row: Row, version: Row | None) -> SegmentOutline:
        state, urls = _shown(row), self._urls(version) if version else {}
        return SegmentOutline(
            id=row["segment_id"],
            segment_number=row["number"],
            type=row["type"],
            location=row["scene_info"].get("location"),
            description=row["scene_info"].get("description"),
            status=state.status,
            approval_status=state.approval_status,
            video_url=urls.get("url"),
            thumbnail_url=urls.get("thumbnail_url"),
            filmstrip_url=urls.get("filmstrip_url"),
            duration=version["media"].get("duration_s") if version else row["duration"],
            quality_score=((version["quality"] or {}) if version else {}).get("overall_score"),
            version=version["number"] if version else None,
            committed=row["committed_version_id"] is not None,
            waiting_run_id=row["waiting_run_id"],
            transition_after=_transition(row["transition_after"]),
            assets=SegmentAssets(video=row["video_id"], starting_image=row["image_id"], narration=row["narration_id"]),
            revision=row["revision"],
            updated_at=max(row["updated_at"], row["video_updated_at"]),
        )

    async def _segments(self, rows: Sequence[Row]) -> list[Segment]:
        ids = [r[name] for r in rows for name in ("waiting_version_id", "committed_version_id") if r[name]]
        versions = await self._versions_of(ids)
        previous: dict[str, list[Row]] = {}
        for row in await self._connection.fetch(_PREVIOUS, [r["video_id"] for r in rows]):
            previous.setdefault(row["asset_id"], []).append(row)
        return [self._segment(r, versions, previous.get(r["video_id"], [])) for r in rows]

    def _segment(self, row: Row, versions: Mapping[str, Row], previous: Sequence[Row]) -> Segment:
        described = versions.get(_described_id(row) or "")
        committed = versions.get(row["committed_version_id"] or "")
        state = _shown(row)
        return Segment(
            id=row["segment_id"],
            project_id=row["project_id"],
            episode_id=row["episode_id"],
            segment_number=row["number"],
            type=row["type"],
            scene_info=SceneInfo(**_EMPTY_SCENE | row["scene_info"]),
            scene_id=row["scene_id"],
            shot_id=row["shot_id"],
            style=row["style"],
            characters=row["characters"],
            **self._described(row, described),
            target_duration=row["duration"],
            status=state.status,
            approval_status=state.approval_status,
            rejection_reason=row["rejection_reason"],
            approved_at=committed["accepted_at"] if committed else None,
            previous_versions=[
                self._previous(v) for v in previous if described is None or v["version_id"] != described["version_id"]
            ],
            committed_version=self._version(committed) if committed else None,
            waiting_run_id=row["waiting_run_id"],
            transition_after=_transition(row["transition_after"]),
            user_notes=row["user_notes"],
            assets=SegmentAssets(video=row["video_id"], starting_image=row["image_id"], narration=row["narration_id"]),
            revision=row["revision"],
            created_at=row["created_at"],
            updated_at=max(row["updated_at"], row["video_updated_at"]),
        )

    def _described(self, row: Row, version: Row | None) -> Json:
        """The fields that tell of the video that is shown; without one, of what was asked for."""
        media = version["media"] if version else {}
        quality = (version["quality"] or {}) if version else {}
        urls = self._urls(version) if version else {}
        return {
            "video_url": urls.get("url"),
            "thumbnail_url": urls.get("thumbnail_url"),
            "filmstrip_url": urls.get("filmstrip_url"),
            "duration": media.get("duration_s") if version else row["duration"],
            "resolution": resolution(media),
            "format": _format(version["object"]["content_type"]) if version else None,
            "file_size": version["object"]["size"] if version else None,
            "generation_params": _parameters(row, version),
            "quality_metrics": QualityMetrics(**{name: quality.get(name) for name in SCORES}),
            "version": version["number"] if version else None,
            "version_id": version["version_id"] if version else None,
            "parent_version_id": version["parent_version_id"] if version else None,
        }

    def _previous(self, row: Row) -> PreviousVersion:
        return PreviousVersion(
            id=row["version_id"],
            run_id=row["run_id"],
            number=row["number"],
            status=row["status"],
            url=self._url(row, "content", row["object"]),
            thumbnail_url=self._url(row, "poster", row["poster"]),
            directions=row["directions"],
            model=row["model"],
            duration=float(row["duration"]) if row["duration"] else None,
            quality_score=float(row["score"]) if row["score"] else None,
            created_at=row["created_at"],
        )


def _described_id(row: Row) -> str | None:
    found = row["waiting_version_id"] or row["committed_version_id"]
    return str(found) if found else None


def _shown(row: Row) -> SegmentState:
    if row["run_status"] is None:
        return segment_state(None)
    return segment_state(
        NewestRun(RunStatus(row["run_status"]), row["parent_status"] == "rejected", row["needs_revision"])
    )


def _parameters(row: Row, version: Row | None) -> GenerationParams:
    unset = {"duration": None, "resolution": None, "aspect_ratio": None}
    if version is None:
        draft = row["draft"] or {}
        known = {
            "prompt": draft.get("directions"),
            "style": joined(row["project_settings"].get("style"), row["style"]),
            "seed": None,
            "character_prompt": None,
            "model": None,
            "duration": row["duration"],
        }
        return GenerationParams(**unset | known | dict(draft.get("settings") or {}))
    settings = {name: s.get("value") for name, s in version["settings"].items()}
    known = {
        "prompt": version["directions"],
        "style": style_of(version),
        "seed": version["seed"],
        "model": version["model"],
        "character_prompt": version["character_prompt"],
    }
    return GenerationParams(**unset | settings | known)


def _transition(stored: Mapping[str, Any] | None) -> Transition | None:
    return Transition(style=stored["style"], duration=stored.get("duration_s", 0.5)) if stored else None


def _format(content_type: str) -> str:
    """`mp4` of `video/mp4`."""
    return content_type.partition("/")[2]
