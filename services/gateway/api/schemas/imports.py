"""Imports of documents and of existing films."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import Body, Dated, Failure, GivenId, Id, Share, shown
from services.gateway.api.schemas.documents import Document
from services.gateway.api.schemas.episodes import EXAMPLE_DOCUMENT


class Import(Dated):
    """A document or a film that becomes an episode."""

    id: Id
    project_id: Id
    episode_id: Id
    source: Literal["document", "film"] = Field(description="A document of scenes and shots, or a film to split.")
    status: Literal["pending", "processing", "completed", "failed", "cancelled"] = Field(description="Where it stands.")
    percent: float = Field(description="0 to 100; null: it cannot be said.")
    warnings: list[str] = Field(description="For people: what is otherwise than one might expect.")
    error: Failure | None = Field(description="Why it failed; null: it did not.")


class NewImport(Body, json_schema_extra=shown({"document": EXAMPLE_DOCUMENT})):
    """Exactly one of `document`, `yaml` and `upload_id`."""

    document: Document | None = Field(
        None,
        examples=[EXAMPLE_DOCUMENT],
        description="Scenes, shots, directions, dialogue, images: docs/guide/frontend.md shows one.",
    )
    yaml: str | None = Field(None, description="The same document as text.")
    upload_id: GivenId | None = Field(None, description="A film to split at its cuts.")
    title: str | None = Field(None, max_length=300, description="For people.")
    scene_threshold: Share | None = Field(None, description="How different frames must be.")
