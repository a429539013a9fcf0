"""Builds the prompt of a model from the user's directions and the project's style and characters.

Versions keep the directions alone, so that a later change of style applies to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.contracts.values import AssetKind, ProjectSettings


def styled_prompt(kind: AssetKind, directions: str, project: ProjectSettings, overrides: Mapping[str, Any]) -> str:
    """Pictures and videos use style and characters; narrations and music use the directions as they are.

    `style_adjustments` and `character_prompt` of the overrides extend the project's style and characters, for one run.
    """
    if kind in (AssetKind.NARRATION, AssetKind.MUSIC):
        return directions
    style = _joined(project.style, overrides.get("style_adjustments"))
    people = [f"{c.name}: {c.description}" if c.description else c.name for c in project.characters]
    characters = _joined("; ".join(people), overrides.get("character_prompt"))
    parts = [directions, f"Style: {style}" if style else "", f"Characters: {characters}" if characters else ""]
    return "\n\n".join(part for part in parts if part)


def _joined(*texts: Any) -> str:
    """Ignores overrides that are not strings: clients may send anything."""
    words = [text.strip().rstrip(",") for text in texts if isinstance(text, str)]
    return ", ".join(word for word in words if word)
