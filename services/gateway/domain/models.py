"""Early refusal: what a request names must be something that its model takes. The generator decides again."""

from __future__ import annotations

from typing import Any

from services.gateway.domain.changes import CHARACTERS, DIRECTIONS, MODEL, STYLE, Wanted
from services.gateway.domain.episodes import MAX_DIRECTIONS
from services.gateway.domain.settings import SECTION
from shared.contracts.catalogue import Catalogue, Model, UnknownModel
from shared.contracts.values import AssetKind, ProjectSettings


def model_of(kind: AssetKind, wanted: str | None, project: ProjectSettings, existing: str | None,
             catalogue: Catalogue, provider: str) -> Model | None:
    """The model that a run would use, by the order of precedence of the settings; None if there is none."""
    named = [wanted]
    if kind.is_picture:
        named.append(project.video.get("image_model"))
    named.append(getattr(project, SECTION[kind]).get("model"))
    if existing and existing in catalogue and kind in catalogue.get(existing).kinds:  # else it was retired since
        named.append(existing)
    for slug in named:
        if slug is not None:
            fits = slug in catalogue and kind in catalogue.get(slug).kinds
            return catalogue.get(slug) if fits else None
    try:
        return catalogue.get(catalogue.default(kind, provider))
    except UnknownModel:
        return None


def problems_of(wanted: Wanted, model: Model | None, kind: AssetKind, catalogue: Catalogue) -> list[tuple[str, str]]:
    """(JSON pointer, what is wrong) of what was asked for."""
    if model is None:
        known = ", ".join(m.slug for m in catalogue.of_kind(kind))
        return [("/model", f"There is no such model for {kind.replace('_', ' ')}. Choose one of: {known}.")]
    found = [(f"/settings/{name}", problem) for name, value in wanted.settings.items()
             if not (name == "seed" and not model.takes_seed) and (problem := model.problem_of(name, value))]
    texts = {DIRECTIONS: wanted.directions, STYLE: wanted.style_adjustments, CHARACTERS: wanted.character_prompt}
    found += [(f"/{name}", f"at most {MAX_DIRECTIONS} characters") for name, text in texts.items()
              if text and len(text) > MAX_DIRECTIONS]
    if model.max_prompt_chars and wanted.directions and len(wanted.directions) > model.max_prompt_chars:
        found.append((f"/{DIRECTIONS}", f"{model.title} takes at most {model.max_prompt_chars} characters"))
    return found


def unknown_models(settings: dict[str, Any], catalogue: Catalogue) -> list[tuple[str, str]]:
    """Models that a project's settings name and that make nothing of that kind."""
    places = [
        ("video", MODEL, AssetKind.VIDEO), ("video", "image_model", AssetKind.STARTING_IMAGE),
        ("image", MODEL, AssetKind.IMAGE), ("narration", MODEL, AssetKind.NARRATION),
        ("music", MODEL, AssetKind.MUSIC),
    ]
    found = []
    for section, name, kind in places:
        slug = (settings.get(section) or {}).get(name)
        if slug is not None and not (slug in catalogue and kind in catalogue.get(slug).kinds):
            known = ", ".join(m.slug for m in catalogue.of_kind(kind))
            found.append((f"/{section}/{name}", f"There is no such model. Choose one of: {known}."))
    return found
