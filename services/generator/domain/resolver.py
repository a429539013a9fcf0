"""The settings resolver: one effective value per setting, and where it came from.

Precedence for every kind: the request's override, the project's settings for the kind, the existing committed version,
the built-in default. An image model also looks at the project's `video.image_model`, before its `image.model`.

Overrides and project settings must be what the model takes, or the run is refused by name before anything is paid. A
committed version may have been made by another model: what this one does not take of it is left out. The existing
seed is never taken over: without a seed each run draws a fresh one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.generator.domain.frames import nearest_ratio, nearest_resolution, ratio_label, resolution_label
from services.generator.domain.problems import directions_missing, directions_too_long
from shared.contracts.catalogue import Catalogue, Model, UnknownModel
from shared.contracts.values import (
    AssetKind,
    Output,
    ProjectSettings,
    Setting,
    Settings,
    SettingSource,
    Version,
)
from shared.core.errors import UserError

PROMPT_CHANGES: Final = ("style_adjustments", "character_prompt")
"""Overrides that change the prompt of one run (see prompt.py) and are no settings of a model."""

_SIZE, _SHAPE = ("width", "height"), ("aspect_ratio", "size")


@dataclass(frozen=True)
class Effective:
    """What a run works with. `settings` has every value with its source, `directions` and `model` included."""

    model: Model
    directions: str
    settings: Settings

    @property
    def seed(self) -> int | None:
        found = self.settings.get("seed")
        return None if found is None else found.value

    def values(self) -> dict[str, Any]:
        """The model's settings alone."""
        return {name: s.value for name, s in self.settings.items() if name in self.model.properties}


@dataclass(frozen=True)
class Request:
    """What the resolver weighs."""

    kind: AssetKind
    overrides: Mapping[str, Any]
    project: ProjectSettings
    existing: Version | None


_Layer = tuple[SettingSource, Mapping[str, Any]]


def resolve(request: Request, catalogue: Catalogue, *, default_provider: str, fresh_seed: int) -> Effective:
    """Raises UserError, naming every value that the model does not take and the ones that it does."""
    model, model_source = _model(request, catalogue, default_provider)
    directions = resolve_directions(request)
    if directions is None:
        raise directions_missing(request.kind)
    if model.max_prompt_chars and len(directions.value) > model.max_prompt_chars:
        raise directions_too_long(model.max_prompt_chars, model.title)
    chosen = _chosen(request, model)
    defaults = _defaults(model, request.project.output, chosen, fresh_seed)
    named = {"directions": directions, "model": Setting(value=model.slug, source=model_source)}
    return Effective(model, directions.value, named | chosen | defaults)


def resolve_directions(request: Request) -> Setting | None:
    """What the user wrote now, else what the committed version was made from."""
    written = request.overrides.get("directions")
    if isinstance(written, str) and written.strip():
        return Setting(value=written, source=SettingSource.OVERRIDE)
    if request.existing and request.existing.directions.strip():
        return Setting(value=request.existing.directions, source=SettingSource.EXISTING)
    return None


def _model(request: Request, catalogue: Catalogue, default_provider: str) -> tuple[Model, SettingSource]:
    for source, slug in _named_models(request):
        if slug is None:
            continue
        fits = slug in catalogue and request.kind in catalogue.get(slug).kinds
        if fits:
            return catalogue.get(slug), source
        if source is not SettingSource.EXISTING:  # a model that was retired since is no fault of this request
            known = ", ".join(m.slug for m in catalogue.of_kind(request.kind))
            kind = request.kind.value.replace("_", " ")
            raise UserError("model_unknown", f"{slug!r} ({source.value}) makes no {kind}.", f"Choose one of: {known}.")
    try:
        return catalogue.get(catalogue.default(request.kind, default_provider)), SettingSource.DEFAULT
    except UnknownModel as e:
        raise UserError("model_unknown", str(e), "Add a model for it to the catalogue.") from e


def _named_models(request: Request) -> list[tuple[SettingSource, Any]]:
    project = request.project
    named: list[tuple[SettingSource, Any]] = [(SettingSource.OVERRIDE, request.overrides.get("model"))]
    if request.kind.is_picture:
        named.append((SettingSource.PROJECT_VIDEO, project.video.get("image_model")))
    named += [(source, section.get("model")) for source, section in _project(request)]
    named.append((SettingSource.EXISTING, request.existing.model if request.existing else None))
    return named


def _project(request: Request) -> list[_Layer]:
    project = request.project
    match request.kind:
        case AssetKind.VIDEO:
            return [(SettingSource.PROJECT_VIDEO, project.video)]
        case AssetKind.STARTING_IMAGE | AssetKind.IMAGE:
            return [(SettingSource.PROJECT_IMAGE, project.image)]
        case AssetKind.NARRATION:
            return [(SettingSource.PROJECT_NARRATION, project.narration)]
        case AssetKind.MUSIC:
            return [(SettingSource.PROJECT_MUSIC, project.music)]


def _chosen(request: Request, model: Model) -> Settings:
    """What somebody chose, at the highest place where they did. Raises UserError for values that the model refuses."""
    taken = {n: v for n, v in request.overrides.items() if n not in ("directions", "model", *PROMPT_CHANGES)}
    if not model.takes_seed:
        taken.pop("seed", None)  # "a stored seed repeats where the model can"
    existing = {n: s.value for n, s in request.existing.settings.items()} if request.existing else {}
    existing.pop("seed", None)
    layers: list[_Layer] = [(SettingSource.OVERRIDE, taken), *_project(request), (SettingSource.EXISTING, existing)]
    chosen: dict[str, tuple[int, Setting]] = {}
    problems = []
    for rank, (source, values) in enumerate(layers):
        for name, value in values.items():
            foreign = name not in model.properties and source is not SettingSource.OVERRIDE
            if value is None or name in chosen or foreign:
                continue
            if problem := model.problem_of(name, value):
                if source is not SettingSource.EXISTING:
                    problems.append(problem if source is SettingSource.OVERRIDE else f"{source.value}: {problem}")
                continue
            chosen[name] = rank, Setting(value=_whole(model, name, value), source=source)
    if problems:
        raise UserError("settings_invalid", " ".join(problems), "Change what is named; nothing was generated or paid.")
    return _without_contradictions(chosen)


def _whole(model: Model, name: str, value: Any) -> Any:
    """5.0 is a whole number to JSON Schema, but not to every provider."""
    return int(value) if model.properties[name].get("type") == "integer" and isinstance(value, float) else value


def _without_contradictions(chosen: dict[str, tuple[int, Setting]]) -> Settings:
    """A size in pixels and a shape are two ways to say one thing: the one said at the higher place counts."""
    size = [chosen[n][0] for n in _SIZE if n in chosen]
    shape = [chosen[n][0] for n in _SHAPE if n in chosen]
    dropped: tuple[str, ...] = ()
    if size and shape:
        dropped = _SIZE if min(shape) < max(size) else _SHAPE
    kept = {name: setting for name, (_, setting) in chosen.items() if name not in dropped}
    if ("width" in kept) != ("height" in kept):
        raise UserError("settings_invalid", "width and height go together.", "Name both, or an aspect ratio.")
    return kept


def _defaults(model: Model, output: Output, chosen: Settings, fresh_seed: int) -> Settings:
    in_pixels = "width" in chosen
    found: dict[str, Any] = {}
    for name in model.properties:
        if name in chosen or (in_pixels and name in _SHAPE):
            continue
        value = fresh_seed if name == "seed" else _default(model, name, output)
        if value is not None:
            found[name] = value
    return {name: Setting(value=value, source=SettingSource.DEFAULT) for name, value in found.items()}


def _default(model: Model, name: str, output: Output) -> Any:
    """The row's own default; shape, and size where the row has none, follow the project's output."""
    choices, own = model.properties[name].get("enum"), model.default_of(name)
    if name == "aspect_ratio" and choices:
        return (
            ratio_label(output.width, output.height)
            if own is None
            else nearest_ratio(choices, output.width, output.height)
        )
    if name == "resolution" and choices and own is None:
        return resolution_label(output.width, output.height)
    if name == "resolution" and choices and own not in choices:
        return nearest_resolution(choices, output.width, output.height)
    return own
