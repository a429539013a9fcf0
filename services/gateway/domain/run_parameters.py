"""What a run requests, and how suggested changes are merged into what its parent requested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

DIRECTIONS, MODEL = "directions", "model"
STYLE, CHARACTERS = "style_adjustments", "character_prompt"
MODIFICATIONS: Final = "prompt_modifications"
SETTINGS_IN_CHANGES: Final = ("duration", "resolution", "aspect_ratio", "seed")
KNOWN_CHANGES: Final = frozenset({MODIFICATIONS, STYLE, CHARACTERS, DIRECTIONS, MODEL, *SETTINGS_IN_CHANGES})
"""Other keys of `suggested_changes` are recorded and have no effect."""

MAX_CHOICE: Final = 200
"""Characters of a model, a resolution or an aspect ratio."""

TEXTS: Final = frozenset({MODIFICATIONS, STYLE, CHARACTERS, DIRECTIONS, MODEL, "resolution", "aspect_ratio"})


@dataclass(frozen=True)
class RunParameters:
    """`settings` are the model's own. `style_adjustments` and `character_prompt` are added to the style and to the
    characters' text of project and segment when the provider is called. None: as they were accepted with the committed
    version; an empty text removes them."""

    directions: str | None = None
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    style_adjustments: str | None = None
    character_prompt: str | None = None

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, Any]) -> Self:
        """From the `overrides` of regenerate-requested."""
        special = {DIRECTIONS, MODEL, STYLE, CHARACTERS}
        return cls(
            directions=overrides.get(DIRECTIONS),
            model=overrides.get(MODEL),
            settings={name: value for name, value in overrides.items() if name not in special},
            style_adjustments=overrides.get(STYLE),
            character_prompt=overrides.get(CHARACTERS),
        )

    @classmethod
    def from_draft(cls, draft: Mapping[str, Any] | None) -> Self:
        """From a draft: {directions, settings}; `settings` may name the model."""
        draft = draft or {}
        return cls.from_overrides((draft.get("settings") or {}) | {DIRECTIONS: draft.get("directions")})

    def overrides(self) -> dict[str, Any]:
        """The `overrides` of regenerate-requested: flat, without empty values."""
        flat = {
            **self.settings,
            DIRECTIONS: self.directions,
            MODEL: self.model,
            STYLE: self.style_adjustments,
            CHARACTERS: self.character_prompt,
        }
        return {name: value for name, value in flat.items() if value is not None}

    def over(self, other: RunParameters) -> RunParameters:
        """These parameters; what they leave out comes from `other`."""
        return RunParameters(
            directions=self.directions if self.directions is not None else other.directions,
            model=self.model if self.model is not None else other.model,
            settings={**other.settings, **{k: v for k, v in self.settings.items() if v is not None}},
            style_adjustments=_first(self.style_adjustments, other.style_adjustments),
            character_prompt=_first(self.character_prompt, other.character_prompt),
        )


def merge_changes(base: RunParameters, changes: Mapping[str, Any]) -> RunParameters:
    """Modifications and adjustments are appended on a new line, unless they are there already; an empty adjustment
    removes what `base` has. Other changes replace the value of `base`."""
    given = {name: value for name, value in changes.items() if name in KNOWN_CHANGES and value is not None}
    directions = given.get(DIRECTIONS, base.directions)
    return replace(
        base,
        directions=_appended(directions, given.get(MODIFICATIONS)),
        model=given.get(MODEL, base.model),
        settings={**base.settings, **{name: given[name] for name in SETTINGS_IN_CHANGES if name in given}},
        style_adjustments="" if given.get(STYLE) == "" else _appended(base.style_adjustments, given.get(STYLE)),
        character_prompt=(
            "" if given.get(CHARACTERS) == "" else _appended(base.character_prompt, given.get(CHARACTERS))
        ),
    )


def type_problems(changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(key, what is wrong) for known keys with a value of the wrong type or length."""
    problems = [
        (name, "must be a string")
        for name in sorted(TEXTS & set(changes))
        if changes[name] is not None and not isinstance(changes[name], str)
    ]
    numbers = [
        (name, "must be a number")
        for name in ("duration", "seed")
        if changes.get(name) is not None
        and (isinstance(changes[name], bool) or not isinstance(changes[name], int | float))
    ]
    long = [
        (name, f"must have at most {MAX_CHOICE} characters")
        for name in (MODEL, "resolution", "aspect_ratio")
        if isinstance(changes.get(name), str) and len(changes[name]) > MAX_CHOICE
    ]
    return problems + numbers + long


def _first(text: str | None, other: str | None) -> str | None:
    return text if text is not None else other


def _appended(text: str | None, more: str | None) -> str | None:
    if not more or not more.strip():
        return text
    if text and f"\n{more.strip()}\n" in f"\n{text.strip()}\n":  # asked for before: rejected twice for one reason
        return text
    return f"{text}\n{more.strip()}" if text and text.strip() else more.strip()
