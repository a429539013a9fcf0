"""The settings of a run before it is requested: the defaults shown next to the draft, and early refusals. The generator
resolves them again, by the same resolver, when it starts the run."""

from __future__ import annotations

from typing import Any

from services.gateway.domain.assets import MAX_DIRECTIONS
from services.gateway.domain.run_parameters import CHARACTERS, DIRECTIONS, STYLE, RunParameters
from shared.contracts.catalogue import Catalogue, Model, UnknownModel
from shared.contracts.settings_resolver import (
    ExistingVersion,
    ResolverRequest,
    UnsuitableModel,
    resolve_adjustments,
    resolve_model,
    resolve_settings,
    with_language,
)
from shared.contracts.values import AssetKind, LanguageGuess, ProjectSettings, Setting, SettingSource

DefaultSettings = dict[str, dict[str, Any]]
"""{name: {value, source}}"""


def default_settings(
    kind: AssetKind,
    project: ProjectSettings,
    existing: ExistingVersion,
    segment_duration: float | None,
    catalogue: Catalogue,
    default_provider: str,
) -> DefaultSettings:
    """What a run without overrides would use; empty if its model cannot be resolved. The seed is left out, because
    each run draws its own. A video's duration is its segment's (seconds), as an override."""
    follows_segment = kind is AssetKind.VIDEO and segment_duration is not None
    request = ResolverRequest(kind, {"duration": segment_duration} if follows_segment else {}, project, existing)
    try:
        model, source = resolve_model(request, catalogue, default_provider)
    except (UnsuitableModel, UnknownModel):
        return {}
    resolved = resolve_settings(request, model).settings
    settings = {name: resolved[name] for name in model.properties if name in resolved and name != "seed"}
    return {
        name: setting.model_dump(mode="json")
        for name, setting in ({"model": Setting(value=model.slug, source=source)} | settings).items()
    }


def guessed_language(settings: DefaultSettings, guess: LanguageGuess | None, catalogue: Catalogue) -> DefaultSettings:
    """The language in which a narration of these settings would be spoken, if its model takes one and none is set."""
    slug = settings.get("model", {}).get("value")
    if not isinstance(slug, str) or slug not in catalogue:
        return {}
    found = with_language({}, catalogue.get(slug), guess)
    return {name: setting.model_dump(mode="json") for name, setting in found.items()}


def prompt_texts(
    kind: AssetKind,
    project: ProjectSettings,
    segment_style: str | None,
    segment_characters: str | None,
    existing: ExistingVersion,
) -> DefaultSettings:
    """What a run without overrides would add to its directions: style and characters of project and segment together,
    and what was accepted with the committed version. Empty for narration and music."""
    if kind in (AssetKind.NARRATION, AssetKind.MUSIC):
        return {}
    people = "; ".join(f"{c.name}: {c.description}" if c.description else c.name for c in project.characters)
    texts = {
        "style": [(project.style, SettingSource.PROJECT), (segment_style, SettingSource.SEGMENT)],
        "characters": [(people, SettingSource.PROJECT), (segment_characters, SettingSource.SEGMENT)],
    }
    found = {}
    for name, layers in texts.items():
        if given := [(text, source) for text, source in layers if text]:
            found[name] = Setting(value=", ".join(text for text, _ in given), source=given[-1][1])
    accepted = resolve_adjustments(ResolverRequest(kind, {}, project, existing))
    return {name: setting.model_dump(mode="json") for name, setting in (found | accepted).items()}


def is_free(request: ResolverRequest, catalogue: Catalogue, default_provider: str) -> bool:
    """Whether the run that is requested costs nothing. A model that cannot be resolved cannot be paid either."""
    try:
        return resolve_model(request, catalogue, default_provider)[0].is_free
    except (UnsuitableModel, UnknownModel):
        return True


def run_problems(
    parameters: RunParameters,
    kind: AssetKind,
    project: ProjectSettings,
    existing: ExistingVersion,
    catalogue: Catalogue,
    default_provider: str,
) -> list[tuple[str, str]]:
    """(JSON pointer, what is wrong there) for each requested parameter that the run's model does not take."""
    request = ResolverRequest(kind, parameters.overrides(), project, existing)
    try:
        model, _ = resolve_model(request, catalogue, default_provider)
    except (UnsuitableModel, UnknownModel):
        known = ", ".join(m.slug for m in catalogue.of_kind(kind))
        return [("/model", f"There is no such model for {kind.replace('_', ' ')}. Choose one of: {known}.")]
    settings = [
        (f"/settings/{problem.name}", problem.text.removeprefix(f"{problem.name} "))
        for problem in resolve_settings(request, model).problems
        if problem.name is not None and problem.source is SettingSource.OVERRIDE
    ]
    return settings + _text_problems(parameters, model)


def _text_problems(parameters: RunParameters, model: Model) -> list[tuple[str, str]]:
    texts = {
        DIRECTIONS: parameters.directions,
        STYLE: parameters.style_adjustments,
        CHARACTERS: parameters.character_prompt,
    }
    found = [
        (f"/{name}", f"must have at most {MAX_DIRECTIONS} characters")
        for name, text in texts.items()
        if text and len(text) > MAX_DIRECTIONS
    ]
    directions, longest = parameters.directions, model.max_prompt_chars
    if longest and directions and len(directions) > longest:
        found.append((f"/{DIRECTIONS}", f"is too long: {model.title} takes at most {longest} characters"))
    return found
