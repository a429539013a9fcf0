"""Builds the prompt of a model from the user's directions, and the style and characters of project, segment and asset.

Versions keep the directions alone, so that a later change of style applies to them.
"""

from __future__ import annotations

from typing import Any

from shared.contracts.events.gateway import RegenerateRequested
from shared.contracts.values import AssetKind, Settings


def styled_prompt(request: RegenerateRequested, directions: str, settings: Settings) -> str:
    """Pictures and videos use style and characters; narrations and music use the directions as they are.

    The segment's texts, and then `style_adjustments` and `character_prompt` of the settings, extend the project's.
    """
    if request.asset_kind in (AssetKind.NARRATION, AssetKind.MUSIC):
        return directions
    project, own = request.project_settings, {name: setting.value for name, setting in settings.items()}
    style = _joined(project.style, request.segment_style, own.get("style_adjustments"))
    people = [f"{c.name}: {c.description}" if c.description else c.name for c in project.characters]
    characters = _joined("; ".join(people), request.segment_characters, own.get("character_prompt"))
    parts = [directions, f"Style: {style}" if style else "", f"Characters: {characters}" if characters else ""]
    return "\n\n".join(part for part in parts if part)


def _joined(*texts: Any) -> str:
    """Ignores overrides that are not strings: clients may send anything."""
    words = [text.strip().rstrip(",") for text in texts if isinstance(text, str)]
    return ", ".join(word for word in words if word)
