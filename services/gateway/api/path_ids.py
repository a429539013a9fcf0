"""Ids in paths."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Path

from services.gateway.api.schemas.base import EXAMPLE_ID

_UUID: Final[dict[str, Any]] = {"format": "uuid"}

ProjectId = Annotated[str, Path(description="The id of a project.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
EpisodeId = Annotated[str, Path(description="The id of an episode.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
SegmentId = Annotated[str, Path(description="The id of a segment.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
AssetId = Annotated[str, Path(description="The id of an asset.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
RunId = Annotated[str, Path(description="The id of a run.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
VersionId = Annotated[str, Path(description="The id of a version.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
NoteId = Annotated[str, Path(description="The id of a note.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
ShareId = Annotated[str, Path(description="The id of a share link.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
BatchId = Annotated[str, Path(description="The id of a batch.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
ImportId = Annotated[str, Path(description="The id of an import.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
FilmId = Annotated[str, Path(description="The id of a compilation.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)]
PartialUploadId = Annotated[
    str, Path(description="The id of an upload in parts.", examples=[EXAMPLE_ID], json_schema_extra=_UUID)
]
UserId = Annotated[
    str, Path(description="The subject of the user's tokens.", examples=["local"], min_length=1, max_length=255)
]
