"""The settings resolver: one effective value per setting of a run, and where that value comes from.

Precedence for every kind: the request's override, the project's settings for the kind, the committed version that
exists, the built-in default. A picture's model is looked up in the project's `video.image_model` before its
`image.model`.

The generator resolves what a run works with; the gateway resolves the same to show defaults and to refuse requests
early. Overrides and project settings must be values that the model takes. The committed version may have been made by
another model: values that this one does not take are ignored. Its seed is never reused: a run without a seed draws a
fresh one.

So a regeneration varies only what was asked: the directions and the adjustments of style and characters that were
accepted with the committed version stay until a request says otherwise. An empty adjustment removes the accepted one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from shared.contracts.catalogue import Catalogue, Model
from shared.contracts.frame_sizes import nearest_ratio, nearest_resolution, ratio_label, resolution_label
from shared.contracts.values import (
    AssetKind,
    LanguageGuess,
    Output,
    ProjectSettings,
    Setting,
    Settings,
    SettingSource,
    Version,
)

PROMPT_CHANGES: Final = ("style_adjustments", "character_prompt")
"""What extends style and characters in the prompt of an asset; not settings of a model."""

SECTION: Final[Mapping[AssetKind, str]] = {
    AssetKind.VIDEO: "video",
    AssetKind.STARTING_IMAGE: "image",
    AssetKind.IMAGE: "image",
    AssetKind.NARRATION: "narration",
    AssetKind.MUSIC: "music",
}
"""The section of the project's settings that each kind of asset reads."""

_SECTION_SOURCE: Final[Mapping[str, SettingSource]] = {
    "video": SettingSource.PROJECT_VIDEO,
    "image": SettingSource.PROJECT_IMAGE,
    "narration": SettingSource.PROJECT_NARRATION,
    "music": SettingSource.PROJECT_MUSIC,
}
_SIZE, _SHAPE = ("width", "height"), ("aspect_ratio", "size")


class UnsuitableModel(LookupError):
    """The request or the project names a model that does not exist or does not make this kind of asset."""

    def __init__(self, slug: Any, source: SettingSource, suitable: list[str]) -> None:
        super().__init__(f"{slug!r} ({source.value})")
        self.slug = slug
        self.source = source
        self.suitable = suitable


@dataclass(frozen=True)
class ExistingVersion:
    """The committed version of the asset: its model, its directions and its settings as plain values, without what was
    guessed, because the next run guesses anew."""

    model: str | None = None
    directions: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, version: Version) -> Self:
        known = {name: s.value for name, s in version.settings.items() if s.source is not SettingSource.GUESSED}
        return cls(version.model, version.directions, known)


@dataclass(frozen=True)
class ResolverRequest:
    """`overrides` are those of regenerate-requested: settings by name, with `directions`, `model` and prompt changes
    among them."""

    kind: AssetKind
    overrides: Mapping[str, Any]
    project: ProjectSettings
    existing: ExistingVersion = ExistingVersion()


@dataclass(frozen=True)
class SettingProblem:
    """A value that cannot be used. `name` None: it is a contradiction between several settings."""

    name: str | None
    source: SettingSource
    text: str


@dataclass(frozen=True)
class ResolvedSettings:
    """The settings of a run, without those that `problems` name."""

    settings: Settings
    problems: tuple[SettingProblem, ...] = ()


def resolve_directions(request: ResolverRequest) -> Setting | None:
    """The directions of the request, else those of the committed version; None if there are none."""
    written = request.overrides.get("directions")
    if isinstance(written, str) and written.strip():
        return Setting(value=written, source=SettingSource.OVERRIDE)
    if request.existing.directions.strip():
        return Setting(value=request.existing.directions, source=SettingSource.EXISTING)
    return None


def resolve_adjustments(request: ResolverRequest) -> Settings:
    """The texts that extend style and characters: those of the request, else those of the committed version. Narration
    and music have none."""
    if request.kind in (AssetKind.NARRATION, AssetKind.MUSIC):
        return {}
    found: Settings = {}
    for name in PROMPT_CHANGES:
        written, accepted = request.overrides.get(name), request.existing.settings.get(name)
        if isinstance(written, str):
            if written.strip():
                found[name] = Setting(value=written, source=SettingSource.OVERRIDE)
        elif isinstance(accepted, str) and accepted.strip():
            found[name] = Setting(value=accepted, source=SettingSource.EXISTING)
    return found


def with_language(settings: Settings, model: Model, guess: LanguageGuess | None) -> Settings:
    """The settings of a narration; a language that nobody has set is the guessed one."""
    if guess is None or "language" in settings or "language" not in model.properties:
        return settings
    guessed = Setting(value=guess.language, source=SettingSource.GUESSED, confidence=guess.confidence)
    return settings | {"language": guessed}


def resolve_model(request: ResolverRequest, catalogue: Catalogue, default_provider: str) -> tuple[Model, SettingSource]:
    """Raises UnsuitableModel, or UnknownModel if the catalogue has no default model for the kind."""
    for source, slug in _named_models(request):
        if slug is None:
            continue
        if isinstance(slug, str) and slug in catalogue and request.kind in catalogue.get(slug).kinds:
            return catalogue.get(slug), source
        if source is not SettingSource.EXISTING:  # the model of the existing version may have been retired since
            raise UnsuitableModel(slug, source, [m.slug for m in catalogue.of_kind(request.kind)])
    return catalogue.get(catalogue.default(request.kind, default_provider)), SettingSource.DEFAULT


def resolve_settings(request: ResolverRequest, model: Model, fresh_seed: int | None = None) -> ResolvedSettings:
    """Every setting of the model that has a value. `fresh_seed` None: a seed that nobody chose is left out."""
    chosen, problems = _chosen(request, model)
    settings, contradictions = _without_contradictions(chosen)
    defaults = _defaults(model, request.project.output, settings, fresh_seed)
    return ResolvedSettings(settings | defaults, (*problems, *contradictions))


def _named_models(request: ResolverRequest) -> list[tuple[SettingSource, Any]]:
    """In the order of precedence."""
    named: list[tuple[SettingSource, Any]] = [(SettingSource.OVERRIDE, request.overrides.get("model"))]
    if request.kind.is_picture:
        named.append((SettingSource.PROJECT_VIDEO, request.project.video.get("image_model")))
    source, section = _project_section(request)
    return [*named, (source, section.get("model")), (SettingSource.EXISTING, request.existing.model)]


def _project_section(request: ResolverRequest) -> tuple[SettingSource, Mapping[str, Any]]:
    name = SECTION[request.kind]
    section: Mapping[str, Any] = getattr(request.project, name)
    return _SECTION_SOURCE[name], section


def _chosen(request: ResolverRequest, model: Model) -> tuple[dict[str, tuple[int, Setting]], list[SettingProblem]]:
    """By name: the value that was chosen at the highest place, with the place's rank (0 is the highest)."""
    overrides = {n: v for n, v in request.overrides.items() if n not in ("directions", "model", *PROMPT_CHANGES)}
    if not model.takes_seed:
        overrides.pop("seed", None)  # a stored seed is repeated only by models that take one
    existing = {name: value for name, value in request.existing.settings.items() if name != "seed"}
    layers = [(SettingSource.OVERRIDE, overrides), _project_section(request), (SettingSource.EXISTING, existing)]
    chosen: dict[str, tuple[int, Setting]] = {}
    problems: list[SettingProblem] = []
    for rank, (source, values) in enumerate(layers):
        for name, value in values.items():
            foreign = name not in model.properties and source is not SettingSource.OVERRIDE
            if value is None or name in chosen or foreign:
                continue
            if text := model.problem_of(name, value):
                if source is not SettingSource.EXISTING:
                    problems.append(SettingProblem(name, source, text))
                continue
            chosen[name] = rank, Setting(value=_whole(model, name, value), source=source)
    return chosen, problems


def _whole(model: Model, name: str, value: Any) -> Any:
    """5.0 is an integer to JSON Schema, but not to every provider."""
    return int(value) if model.properties[name].get("type") == "integer" and isinstance(value, float) else value


def _without_contradictions(chosen: Mapping[str, tuple[int, Setting]]) -> tuple[Settings, list[SettingProblem]]:
    """A size in pixels and a shape are two ways to say one thing: the one from the higher place counts."""
    size = [chosen[n][0] for n in _SIZE if n in chosen]
    shape = [chosen[n][0] for n in _SHAPE if n in chosen]
    dropped: tuple[str, ...] = ()
    if size and shape:
        dropped = _SIZE if min(shape) < max(size) else _SHAPE
    settings = {name: setting for name, (_, setting) in chosen.items() if name not in dropped}
    if ("width" in settings) == ("height" in settings):
        return settings, []
    source = next(settings[n].source for n in _SIZE if n in settings)
    return settings, [SettingProblem(None, source, "width and height go together.")]


def _defaults(model: Model, output: Output, chosen: Settings, fresh_seed: int | None) -> Settings:
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
    """The model's own default; the shape, and the size where the model has no default, follow the project's output."""
    choices, own = model.properties[name].get("enum"), model.default_of(name)
    if name == "aspect_ratio" and choices:
        if own is None:
            return ratio_label(output.width, output.height)
        return nearest_ratio(choices, output.width, output.height)
    if name == "resolution" and choices and own is None:
        return resolution_label(output.width, output.height)
    if name == "resolution" and choices and own not in choices:
        return nearest_resolution(choices, output.width, output.height)
    return own
