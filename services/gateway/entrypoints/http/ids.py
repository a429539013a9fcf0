"""Ids in paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from services.gateway.entrypoints.http.shapes.base import EXAMPLE_ID

ProjectId = Annotated[str, Path(description="Of a project.", examples=[EXAMPLE_ID])]
EpisodeId = Annotated[str, Path(description="Of an episode.", examples=[EXAMPLE_ID])]
SegmentId = Annotated[str, Path(description="Of a segment.", examples=[EXAMPLE_ID])]
AssetId = Annotated[str, Path(description="Of an asset.", examples=[EXAMPLE_ID])]
RunId = Annotated[str, Path(description="Of a run.", examples=[EXAMPLE_ID])]
VersionId = Annotated[str, Path(description="Of a version.", examples=[EXAMPLE_ID])]
BatchId = Annotated[str, Path(description="Of a batch.", examples=[EXAMPLE_ID])]
ImportId = Annotated[str, Path(description="Of an import.", examples=[EXAMPLE_ID])]
FilmId = Annotated[str, Path(description="Of a compilation.", examples=[EXAMPLE_ID])]
UserId = Annotated[str, Path(description="The subject of the user's tokens.", examples=["local"], max_length=255)]
