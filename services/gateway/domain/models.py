"""Early refusal: what a request names must be something that its model takes. The generator decides again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from services.gateway.domain.assets import MAX_DIRECTIONS
from services.gateway.domain.run_parameters import CHARACTERS, DIRECTIONS, MODEL, STYLE, RunParameters
from services.gateway.domain.settings import SECTION
from shared.contracts.catalogue import Catalogue, Model, UnknownModel
from shared.contracts.values import AssetKind, ProjectSettings

_SECTION_KINDS: Final[Mapping[str, Mapping[str, AssetKind]]] = {
    "video": {MODEL: AssetKind.VIDEO, "image_model": AssetKind.STARTING_IMAGE},
    "image": {MODEL: AssetKind.IMAGE},
    "narration": {MODEL: AssetKind.NARRATION},
    "music": {MODEL: AssetKind.MUSIC},
}
"""Sections of a project's settings, with the fields in them that name a model, and what that makes."""


def model_of(
    kind: AssetKind,
    wanted: str | None,
    project: ProjectSettings,
    existing: str | None,
    catalogue: Catalogue,
    provider: str,
) -> Model | None:
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


def problems_of(
    wanted: RunParameters, model: Model | None, kind: AssetKind, catalogue: Catalogue
) -> list[tuple[str, str]]:
    """(JSON pointer, what is wrong) of what was asked for."""
    if model is None:
        known = ", ".join(m.slug for m in catalogue.of_kind(kind))
        return [("/model", f"There is no such model for {kind.replace('_', ' ')}. Choose one of: {known}.")]
    found = [
        (f"/settings/{name}", problem)
        for name, value in wanted.settings.items()
        if not (name == "seed" and not model.takes_seed) and (problem := model.problem_of(name, value))
    ]
    texts = {DIRECTIONS: wanted.directions, STYLE: wanted.style_adjustments, CHARACTERS: wanted.character_prompt}
    found += [
        (f"/{name}", f"at most {MAX_DIRECTIONS} characters")
        for name, text in texts.items()
        if text and len(text) > MAX_DIRECTIONS
    ]
    if model.max_prompt_chars and wanted.directions and len(wanted.directions) > model.max_prompt_chars:
        found.append((f"/{DIRECTIONS}", f"{model.title} takes at most {model.max_prompt_chars} characters"))
    return found


def settings_problems(
    settings: Mapping[str, Any], changed: Collection[str], catalogue: Catalogue, provider: str
) -> list[tuple[str, str]]:
    """What no run could use of the changed sections of a project's settings: a model that makes nothing of that kind,
    a setting or a value that neither the section's model nor another one of the kind takes."""
    found: list[tuple[str, str]] = []
    for name, kinds in _SECTION_KINDS.items():
        section = (settings.get(name) or {}) if name in changed else {}
        chosen = {field: kind for field, kind in kinds.items() if section.get(field) is not None}
        for field, kind in chosen.items():
            if not _makes(catalogue, section[field], kind):
                known = ", ".join(m.slug for m in catalogue.of_kind(kind))
                found.append((f"/{name}/{field}", f"There is no such model. Choose one of: {known}."))
        models = _models_of(section, kinds[MODEL], catalogue, provider)
        found += [
            (f"/{name}/{field}", problem)
            for field, value in section.items()
            if field not in kinds and value is not None and (problem := _problem(field, value, models))
        ]
    return found


def _makes(catalogue: Catalogue, slug: Any, kind: AssetKind) -> bool:
    return isinstance(slug, str) and slug in catalogue and kind in catalogue.get(slug).kinds


def _models_of(section: Mapping[str, Any], kind: AssetKind, catalogue: Catalogue, provider: str) -> list[Model]:
    """The section's model first: what is wrong is said by what that one takes."""
    first = section.get(MODEL)
    if not _makes(catalogue, first, kind):
        with suppress(UnknownModel):
            first = catalogue.default(kind, provider)
    return sorted(catalogue.of_kind(kind), key=lambda model: model.slug != first)


def _problem(name: str, value: Any, models: Sequence[Model]) -> str | None:
    """None if one of the models takes it: another one may be chosen for a run."""
    if name == "seed" and isinstance(value, int) and not isinstance(value, bool):
        return None
    problems = [model.problem_of(name, value) for model in models]
    if not all(problems):
        return None
    knowing = next((i for i, model in enumerate(models) if name in model.properties), 0)
    return problems[knowing]
