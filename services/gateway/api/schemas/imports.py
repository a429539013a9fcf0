"""Imports of documents and of existing films."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from services.gateway.api.schemas.base import EXAMPLE_ID, Body, Dated, Failure, GivenId, Id, Share, shown
from services.gateway.api.schemas.documents import Document, GivenOutput
from services.gateway.api.schemas.episodes import EXAMPLE_DOCUMENT, OUTPUT_TAKEN


class Import(Dated):
    """The import of a document or a film as an episode."""

    id: Id
    project_id: Id
    episode_id: Id
    source: Literal["document", "film"] = Field(
        description="The source: a document of scenes and shots, or a film that is split at its cuts."
    )
    status: Literal["pending", "processing", "completed", "failed", "cancelled"] = Field(
        description="The current status."
    )
    percent: float = Field(description="From 0 to 100.")
    warnings: list[str] = Field(description="Human-readable warnings about the result.")
    error: Failure | None = Field(description="The reason of the failure; null: it has not failed.")


EXAMPLE_IMPORT: Final[dict[str, Any]] = EXAMPLE_DOCUMENT | {
    "segments": [
        EXAMPLE_DOCUMENT["segments"][0] | {"starting_image": {"url": "https://example.com/cup.jpg"}},
        EXAMPLE_DOCUMENT["segments"][1] | {"starting_image": {"upload_id": EXAMPLE_ID}},
    ]
}
"""Everything that a document may have: dialogue, starting images, a transition."""


class NewImport(Body, json_schema_extra=shown({"document": EXAMPLE_IMPORT})):
    """An episode to import: exactly one of `document`, `yaml` and `upload_id`."""

    document: Document | None = Field(
        None,
        examples=[EXAMPLE_IMPORT],
        description="The episode as a document of scenes and shots.",
    )
    yaml: str | None = Field(
        None,
        max_length=1024 * 1024,
        description="The document as YAML 1.2: without tags, anchors and aliases, at most 32 levels deep, with at most "
        "50,000 values.",
    )
    upload_id: GivenId | None = Field(None, description="An uploaded film to split at its cuts.")
    title: str | None = Field(None, max_length=300, description="The title of the episode, instead of the document's.")
    scene_threshold: Share | None = Field(
        None, description="How much frames must differ to count as a cut, from 0 to 1."
    )
    output: GivenOutput | None = Field(
        None,
        examples=[{"width": 1080, "height": 1920}],
        description=f"Instead of the document's, or of the film's own shape, size and rate. {OUTPUT_TAKEN}",
    )
