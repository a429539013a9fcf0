"""A project's settings must be usable: each model exists and each value is one that some model of the kind takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from services.gateway.domain.run_parameters import MODEL
from shared.contracts.catalogue import Catalogue, Model, UnknownModel
from shared.contracts.values import AssetKind

_SECTION_KINDS: Final[Mapping[str, Mapping[str, AssetKind]]] = {
    "video": {MODEL: AssetKind.VIDEO, "image_model": AssetKind.STARTING_IMAGE},
    "image": {MODEL: AssetKind.IMAGE},
    "narration": {MODEL: AssetKind.NARRATION},
    "music": {MODEL: AssetKind.MUSIC},
}
"""Sections of a project's settings, with the fields in them that name a model, and what that makes."""


def settings_problems(
    settings: Mapping[str, Any], changed: Collection[str], catalogue: Catalogue, provider: str
) -> list[tuple[str, str]]:
    """(JSON pointer, what is wrong there) in the changed sections: a model that does not exist or does not make that
    kind, or a value that no model of the kind takes."""
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
    """The section's model first, because a problem is described by what that one takes."""
    first = section.get(MODEL)
    if not _makes(catalogue, first, kind):
        with suppress(UnknownModel):
            first = catalogue.default(kind, provider)
    return sorted(catalogue.of_kind(kind), key=lambda model: model.slug != first)


def _problem(name: str, value: Any, models: Sequence[Model]) -> str | None:
    """None if any of the models takes the value, because a run may choose that one."""
    if name == "seed" and isinstance(value, int) and not isinstance(value, bool):
        return None
    problems = [model.problem_of(name, value) for model in models]
    if not all(problems):
        return None
    knowing = next((i for i, model in enumerate(models) if name in model.properties), 0)
    return (problems[knowing] or "").removeprefix(f"{name} ")
