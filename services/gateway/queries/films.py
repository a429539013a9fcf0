"""Compilations: the film, its chapters, what went into it and how it was made."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from services.gateway.api.schemas.films import (
    Chapter,
    Compilation,
    CompilationList,
    FilmReport,
    FilmSegment,
    FilmTransition,
)
from services.gateway.domain.films import film_message
from services.gateway.domain.messages import said
from services.gateway.domain.paging import Page
from services.gateway.queries.base import Filter, QueryBase, Row, failure
from services.gateway.queries.versions import resolution
from shared.contracts.events.compiler import FilmState
from shared.contracts.photosensitivity import film_photosensitivity_warning, flashes
from shared.contracts.retention import FILMS_KEPT

# What the compiler lets go by the same rule, of the same times.
GONE: Final = f"""
    (t.state = 'completed' and {FILMS_KEPT} <= (
        select count(*) from compilations n where n.episode_id = t.episode_id and n.state = 'completed'
          and (n.completed_at, n.compilation_id) > (t.completed_at, t.compilation_id)))
"""
_SELECT: Final = f"""
    select t.*, {GONE} as gone,
           (select count(*) from compilations o where o.state = 'pending'
              and (o.created_at, o.compilation_id) < (t.created_at, t.compilation_id)) as ahead,
           (select jsonb_agg(jsonb_build_array(i -> 'number', v.quality -> 'measures'))
            from jsonb_array_elements(t.request -> 'items') i
            join versions v on v.version_id = (i #>> '{{video,version_id}}')::uuid) as measured
    from compilations t
"""


class FilmQueries(QueryBase):
    async def compilation(self, compilation_id: str) -> Compilation:
        return self._film(await self._one("compilation", _SELECT + "where t.compilation_id = $1", compilation_id))

    async def compilations(self, episode_id: str, page: Page) -> CompilationList:
        filters = {"status": Filter("t.state", tuple(FilmState)), "batch_id": Filter("t.batch_id")}
        rows, following = await self._page(
            _SELECT + "where t.episode_id = $1", [episode_id], page, by="t.compilation_id", filters=filters
        )
        return CompilationList(data=[self._film(r) for r in rows], next_cursor=following)

    def _film(self, row: Row) -> Compilation:
        media, report, error = row["media"] or {}, row["report"] or {}, failure(row["error"])
        request = row["request"]
        return Compilation(
            id=row["compilation_id"],
            project_id=row["project_id"],
            episode_id=row["episode_id"],
            batch_id=row["batch_id"],
            status=row["state"],
            progress=row["progress"],
            **said(film_message(row["message_code"], error.cause if error else None)),
            estimated_duration=row["estimated_duration_s"],
            queue_position=row["ahead"] + 1 if row["state"] == "pending" else None,
            gone=row["gone"],
            output_video_url=self._film_url(row, "content", row["object"], row["signed_at"]),
            poster_url=self._film_url(row, "poster", row["poster"]),
            captions_url=self._film_url(row, "captions.vtt", row["files"].get("captions.vtt")),
            subtitles_url=self._film_url(row, "captions.srt", row["files"].get("captions.srt")),
            timeline_url=self._film_url(row, "timeline.otio", row["files"].get("timeline.otio")),
            output_duration=media.get("duration_s"),
            output_file_size=row["object"]["size"] if row["object"] else None,
            resolution=resolution(media),
            fps=media.get("fps"),
            frame_rate=media.get("frame_rate") or (str(media["fps"]) if media.get("fps") else None),
            segments_included=row["segments_included"],
            segments=[
                FilmSegment(segment_id=i["segment_id"], version_id=i["video"]["version_id"]) for i in request["items"]
            ],
            transition_style=row["transition_style"],
            transitions=[_boundary(i) for i in request["items"] if i["transition_after"]],
            audio_config=request["audio"],
            captions=request["captions"],
            left_out=row["left_out"],
            chapters=[Chapter(title=c["title"], start=c["start_s"]) for c in report.get("chapters", [])],
            loudness_lufs=report.get("loudness_lufs"),
            true_peak_dbtp=report.get("true_peak_dbtp"),
            unmeasured=report.get("unmeasured", {}),
            warnings=row["warnings"],
            photosensitivity_warning=film_photosensitivity_warning(
                [(number, flashes(measures or {})) for number, measures in row["measured"] or ()]
            ),
            report=_report(report),
            provenance=row["provenance"],
            rating=row["rating"],
            feedback=row["feedback"],
            error_message=error.cause if error else None,
            recovery=error.recovery if error else None,
            completed_at=row["completed_at"],
            handed_over_at=row["handed_over_at"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )

    def _film_url(self, row: Row, rendition: str, ref: Any, since: datetime | None = None) -> str | None:
        """`since`: when the film got this file, if not when it was completed."""
        if not ref or row["gone"]:
            return None
        ready_at = since or row["completed_at"] or row["updated_at"]
        return self._links.committed("films", row["compilation_id"], rendition, ready_at)


def _boundary(item: dict[str, Any]) -> FilmTransition:
    after = item["transition_after"]
    return FilmTransition(after_segment_id=item["segment_id"], style=after["style"], duration=after["duration_s"])


def _report(report: dict[str, Any]) -> FilmReport | None:
    if not report:
        return None
    return FilmReport(**{name: report.get(name) for name in FilmReport.model_fields})
