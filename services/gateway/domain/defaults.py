"""What a run of an asset would use if nobody said anything: shown beside the draft, decided again by the generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.gateway.domain.models import model_of
from services.gateway.domain.settings import SECTION
from shared.contracts.catalogue import Catalogue, Model
from shared.contracts.values import AssetKind, ProjectSettings, SettingSource

Defaults = dict[str, dict[str, Any]]
"""{name: {value, source}}"""

_SOURCE = {
    "video": SettingSource.PROJECT_VIDEO,
    "image": SettingSource.PROJECT_IMAGE,
    "narration": SettingSource.PROJECT_NARRATION,
    "music": SettingSource.PROJECT_MUSIC,
}


def defaults(
    kind: AssetKind,
    project: ProjectSettings,
    existing_model: str | None,
    existing: Mapping[str, Any],
    segment_duration: float | None,
    catalogue: Catalogue,
    provider: str,
) -> Defaults:
    """`existing`: settings {name: {value, source}} of the committed version. A fresh seed is drawn by each run."""
    model = model_of(kind, None, project, existing_model, catalogue, provider)
    if model is None:
        return {}
    section: dict[str, Any] = getattr(project, SECTION[kind])
    found: Defaults = {"model": _said(model.slug, _model_source(kind, project, section, model, existing_model))}
    for name in model.properties:
        if name == "seed":
            continue
        if kind is AssetKind.VIDEO and name == "duration" and _fits(model, name, segment_duration):
            found[name] = _said(segment_duration, SettingSource.OVERRIDE)
        elif _fits(model, name, section.get(name)):
            found[name] = _said(section[name], _SOURCE[SECTION[kind]])
        elif _fits(model, name, (before := (existing.get(name) or {}).get("value"))):
            found[name] = _said(before, SettingSource.EXISTING)
        elif (built_in := model.default_of(name)) is not None:
            found[name] = _said(built_in, SettingSource.DEFAULT)
    return found


def _model_source(
    kind: AssetKind, project: ProjectSettings, section: Mapping[str, Any], model: Model, existing: str | None
) -> SettingSource:
    if kind.is_picture and project.video.get("image_model") == model.slug:
        return SettingSource.PROJECT_VIDEO
    if section.get("model") == model.slug:
        return _SOURCE[SECTION[kind]]
    return SettingSource.EXISTING if existing == model.slug else SettingSource.DEFAULT


def _fits(model: Model, name: str, value: Any) -> bool:
    return value is not None and model.problem_of(name, value) is None


def _said(value: Any, source: SettingSource) -> dict[str, Any]:
    return {"value": value, "source": source.value}
