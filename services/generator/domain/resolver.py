"""The settings of a run, resolved by the precedence of `shared.contracts.settings_resolver`; a run that cannot use them
is refused before anything is paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.generator.domain.problems import directions_missing, directions_too_long
from shared.contracts.catalogue import Catalogue, Model, UnknownModel
from shared.contracts.messages import message, problem_text
from shared.contracts.settings_resolver import (
    ResolvedSettings,
    ResolverRequest,
    UnsuitableModel,
    resolve_adjustments,
    resolve_directions,
    resolve_model,
    resolve_settings,
)
from shared.contracts.values import AssetKind, Setting, Settings, SettingSource
from shared.core.errors import UserError


@dataclass(frozen=True)
class Effective:
    """What a run works with. `settings` has every value with its source, `directions`, `model` and
    what extends style and characters included."""

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


def resolve(request: ResolverRequest, catalogue: Catalogue, *, default_provider: str, fresh_seed: int) -> Effective:
    """Raises UserError model_unknown, directions_missing, directions_too_long, or settings_invalid, which names every
    value that the model does not take and the values that it does."""
    model, model_source = _model(request, catalogue, default_provider)
    directions = resolve_directions(request)
    if directions is None:
        raise directions_missing(request.kind)
    if model.max_prompt_chars and len(directions.value) > model.max_prompt_chars:
        raise directions_too_long(model.max_prompt_chars, model.title)
    resolved = resolve_settings(request, model, fresh_seed)
    _check(resolved)
    named = {"directions": directions, "model": Setting(value=model.slug, source=model_source)}
    return Effective(model, directions.value, named | resolve_adjustments(request) | resolved.settings)


def _model(request: ResolverRequest, catalogue: Catalogue, default_provider: str) -> tuple[Model, SettingSource]:
    try:
        return resolve_model(request, catalogue, default_provider)
    except UnsuitableModel as e:
        raise _model_unsuitable(request.kind, e) from e
    except UnknownModel as e:
        raise UserError("model_unknown", str(e), message("problem.model_missing.recovery")) from e


def _model_unsuitable(kind: AssetKind, error: UnsuitableModel) -> UserError:
    what = kind.value.replace("_", " ")
    text = problem_text(
        "model_unsuitable",
        model=repr(error.slug),
        source=error.source.value,
        what=what,
        suitable=", ".join(error.suitable),
    )
    return UserError("model_unknown", *text)


def _check(resolved: ResolvedSettings) -> None:
    values = [
        p.text if p.source is SettingSource.OVERRIDE else f"{p.source.value}: {p.text}"
        for p in resolved.problems
        if p.name is not None
    ]
    if values:
        raise UserError("settings_invalid", " ".join(values), message("problem.settings_invalid.recovery"))
    if resolved.problems:
        raise UserError("settings_invalid", resolved.problems[0].text, message("problem.size_incomplete.recovery"))
