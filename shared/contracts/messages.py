"""The words users read, by code: one catalogue for gateway, command line and studio."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def catalogue() -> dict[str, str]:
    text = resources.files("shared.contracts").joinpath("messages.json").read_text("utf-8")
    loaded: dict[str, str] = json.loads(text)
    return loaded


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"


def message(code: str, **args: Any) -> str:
    """The text of a code, or of several that `+` joins. An argument that is missing shows as an ellipsis, an unknown
    code as itself."""
    return " ".join(catalogue().get(part, part).format_map(_Known(args)) for part in code.split("+"))
