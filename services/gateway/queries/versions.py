"""Versions: what a run made, with the URLs that play it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from services.gateway.api.schemas.versions import Comparison, Difference, Version, VersionList
from services.gateway.domain.errors import Refusal, not_found
from services.gateway.domain.paging import Page
from services.gateway.domain.versions import VersionStatus
from services.gateway.queries.base import Filter, Json, QueryBase, Row, costs
from shared.contracts.messages import problem_text
from shared.contracts.photosensitivity import photosensitivity_warning
from shared.core.ids import is_id

_SELECT: Final = """
    select t.*, a.committed_version_id is not distinct from t.version_id as is_committed, s.number as segment_number,
           r.parent_run_id, r.request #>> '{project_settings,style}' as project_style,
           r.request ->> 'segment_style' as segment_style,
           t.settings #>> '{style_adjustments,value}' as style_adjustments,
           t.settings #>> '{character_prompt,value}' as character_prompt,
           coalesce(p.version_id, p.candidates[1]) as parent_version_id
    from versions t
    join assets a on a.asset_id = t.asset_id
    left join segments s on s.segment_id = t.segment_id
    left join runs r on r.run_id = t.run_id
    left join runs p on p.run_id = r.parent_run_id
"""
_ONE: Final = _SELECT + "where t.version_id = $1"
_SOME: Final = _SELECT + "where t.version_id = any($1::uuid[])"
_OF_ASSET: Final = _SELECT + "where t.asset_id = $1"

SCORES: Final = ("overall_score", "consistency_score", "visual_quality")
_COMPARED: Final = (
    "directions",
    "style",
    "character_prompt",
    "model",
    "provider",
    "seed",
    "duration",
    "resolution",
    "aspect_ratio",
    "size",
    "content_type",
    "fps",
    "status",
)


class VersionQueries(QueryBase):
    async def version(self, version_id: str) -> Version:
        return self._version(await self._one("version", _ONE, version_id))

    async def versions(self, asset_id: str, page: Page) -> VersionList:
        rows, following = await self._page(
            _OF_ASSET,
            [asset_id],
            page,
            by="t.number",
            filters={
                "status": Filter("t.status", tuple(VersionStatus)),
                "provider": Filter("t.provider", self._providers),
                "run_id": Filter("t.run_id"),
                "version_id": Filter("t.version_id"),
            },
        )
        return VersionList(data=[self._version(r) for r in rows], next_cursor=following)

    async def compare(self, asset_id: str, version_ids: Sequence[str]) -> Comparison:
        """The versions in the order they were named, and the fields in which they differ."""
        known = [i for i in version_ids if is_id(i)]
        rows = {r["version_id"]: r for r in await self._connection.fetch(_SOME, known) if r["asset_id"] == asset_id}
        if any(i not in rows for i in version_ids):
            raise not_found("version of this asset")
        if any(rows[i]["retired_at"] for i in version_ids):
            raise Refusal("gone", *problem_text("compared_retired"))
        versions = [self._version(rows[i]) for i in version_ids]
        return Comparison(versions=versions, differences=_differences(versions))

    async def _versions_of(self, version_ids: Sequence[str]) -> dict[str, Row]:
        if not version_ids:
            return {}
        return {r["version_id"]: r for r in await self._connection.fetch(_SOME, list(set(version_ids)))}

    def _version(self, row: Row) -> Version:
        media, quality = row["media"], row["quality"] or {}
        return Version(
            id=row["version_id"],
            project_id=row["project_id"],
            episode_id=row["episode_id"],
            asset_id=row["asset_id"],
            segment_id=row["segment_id"],
            segment_number=row["segment_number"],
            run_id=row["run_id"],
            kind=row["kind"],
            number=row["number"],
            status=row["status"],
            committed=row["is_committed"],
            gone=row["retired_at"] is not None,
            directions=row["directions"],
            style=style_of(row),
            character_prompt=row["character_prompt"],
            model=row["model"],
            provider=row["provider"],
            seed=row["seed"],
            settings=row["settings"],
            starting_image_version_id=row["starting_image_version_id"],
            parent_version_id=row["parent_version_id"],
            **self._urls(row),
            content_type=row["object"]["content_type"],
            size=row["object"]["size"],
            duration=media.get("duration_s"),
            resolution=resolution(media),
            aspect_ratio=media.get("aspect_ratio"),
            fps=media.get("fps"),
            frames=media.get("frames"),
            **_exact_rate(media),
            variable_rate=media.get("variable_rate"),
            **_quality(quality),
            photosensitivity_warning=photosensitivity_warning(quality.get("measures") or {}),
            differences=row["differences"],
            cost=costs(row["cost"]),
            info=row["info"],
            provenance=row["info"].get("provenance"),
            unsigned_reason=row["info"].get("unsigned_reason"),
            accepted_at=row["accepted_at"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    def _urls(self, row: Row) -> Json:
        """null where there is no such rendition, or retention has deleted it."""
        return {
            "url": self._url(row, "content", row["object"]),
            "thumbnail_url": self._url(row, "poster", row["poster"]),
            "filmstrip_url": self._url(row, "filmstrip", row["filmstrip"]),
            "proxy_url": self._url(row, "proxy", row["proxy"]),
            "peaks_url": self._url(row, "peaks", row["object"] if row["media"].get("audio_codec") else None),
        }

    def _url(self, row: Row, rendition: str, ref: Mapping[str, Any] | None) -> str | None:
        """A preview has a link of its own; what was committed keeps the link it had then."""
        if ref is None or row["retired_at"] is not None:
            return None
        if row["status"] == "preview":
            return self._links.preview(row["version_id"], rendition)
        return self._links.committed("versions", row["version_id"], rendition, row["committed_at"] or row["created_at"])


def resolution(media: Mapping[str, Any]) -> str | None:
    """WIDTHxHEIGHT."""
    if media.get("width") and media.get("height"):
        return f"{media['width']}x{media['height']}"
    found = media.get("resolution")
    return str(found) if found else None


def _exact_rate(media: Mapping[str, Any]) -> Json:
    """None for what was probed before exact rates were kept."""
    written = media.get("frame_rate")
    rate = Fraction(written) if written else None
    return {"fps_num": rate.numerator if rate else None, "fps_den": rate.denominator if rate else None}


def _quality(quality: Mapping[str, Any]) -> Json:
    scores = {name: quality.get(name) for name in SCORES}
    reasons = {name: "No quality was measured for this version." for name, v in scores.items() if v is None}
    return {
        "quality_metrics": scores | dict(quality.get("measures") or {}),
        "quality_events": quality.get("events") or [],
        "unmeasured": reasons | dict(quality.get("reasons") or {}),
    }


def _differences(versions: Sequence[Version]) -> list[Difference]:
    """The values of each field that is not the same in all of them, in the order of the versions."""
    fields: dict[str, list[Any]] = {name: [getattr(v, name) for v in versions] for name in _COMPARED}
    for name in sorted({n for v in versions for n in v.settings}):
        fields[f"settings.{name}"] = [v.settings[name].value if name in v.settings else None for v in versions]
    for name in SCORES:
        fields[f"quality_metrics.{name}"] = [v.quality_metrics.get(name) for v in versions]
    return [Difference(field=name, values=values) for name, values in fields.items() if len(set(map(repr, values))) > 1]


def style_of(version: Row) -> str | None:
    """The project's and the segment's, as they were then, with what was added for the version."""
    return joined(version["project_style"], version["segment_style"], version["style_adjustments"])


def joined(*texts: str | None) -> str | None:
    return ", ".join(text for text in texts if text) or None
