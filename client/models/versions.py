"""Versions: the results of runs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from client.models.base import AssetKind, Model, Resource, Settings


class OutputDifference(Model):
    """What a model was asked for and what it made: seconds, frames a second, `1280x720` or `16:9`."""

    field: str
    asked: str | float
    made: str | float

    @property
    def text(self) -> str:
        """For people: `duration 5.042, asked for 5`."""
        asked, made = (f"{v:g}" if isinstance(v, float) else v for v in (self.asked, self.made))
        return f"{self.field.replace('_', ' ')} {made}, asked for {asked}"


class QualityEvent(Model):
    """A part that is black, frozen, flashing or cut (`kind`), in seconds from the start."""

    kind: str
    start: float
    end: float
    value: float | None = None


class Version(Resource):
    """An immutable result of a run. Media facts are measured, not the requested ones."""

    number: int | None = None
    asset_id: str | None = None
    run_id: str | None = None
    kind: AssetKind | None = None
    segment_number: int | None = None
    status: str | None = None
    committed: bool = False
    directions: str | None = None
    model: str | None = None
    provider: str | None = None
    seed: int | None = None
    settings: Settings = {}
    content_type: str | None = None
    url: str | None = None
    thumbnail_url: str | None = None
    filmstrip_url: str | None = None
    peaks_url: str | None = None
    duration: float | None = Field(None, description="seconds")
    resolution: str | None = None
    aspect_ratio: str | None = None
    fps: float | None = Field(None, description="rounded")
    frames: int | None = None
    fps_num: int | None = Field(None, description="the exact rate is fps_num / fps_den")
    fps_den: int | None = None
    variable_rate: bool | None = None
    size: int | None = Field(None, description="bytes")
    quality_metrics: dict[str, float | None] = {}
    quality_events: list[QualityEvent] = []
    unmeasured: dict[str, str] = {}
    differences: list[OutputDifference] = []
    photosensitivity_warning: str | None = None
    info: dict[str, Any] | None = None
    provenance: str | None = None
    unsigned_reason: str | None = None

    @property
    def model_slug(self) -> str | None:
        setting = self.settings.get("model")
        return self.model or (str(setting.value) if setting and setting.value else None)
