"""The prompt that a model gets: the user's words, the project's style and its characters.

Versions keep the user's words alone, so that a later change of style needs no unpicking.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.contracts.values import AssetKind, ProjectSettings


def styled(kind: AssetKind, directions: str, project: ProjectSettings, overrides: Mapping[str, Any]) -> str:
    """Pictures take style and characters; a script is spoken as written and music has no looks.

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
    """Overrides are anybody's: what is no text says nothing."""
    words = [text.strip().rstrip(",") for text in texts if isinstance(text, str)]
    return ", ".join(word for word in words if word)
