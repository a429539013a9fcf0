"""The texts that users read, by code: one catalogue for the services, the command line and the studio.

Codes are grouped by aggregate (`run.`, `preview.`, `review.`, `complete.`, `import.`, `batch.`, `compile.`) and travel
in events and rows as `message_code` with `message_args`; the text is formatted when it is shown. `problem.NAME` and
`problem.NAME.recovery` are the two texts of a problem (one is left out where something else gives it), and
`warning.NAME` is a remark about a result.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple

MISSING_ARGUMENT: Final = "…"


@cache
def catalogue() -> dict[str, str]:
    """Every template by its code, with `{name}` where an argument goes."""
    text = resources.files("shared.contracts").joinpath("messages.json").read_text("utf-8")
    loaded: dict[str, str] = json.loads(text)
    return loaded


class ProblemText(NamedTuple):
    """What happened, and what to do about it."""

    cause: str
    recovery: str


class _Arguments(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return MISSING_ARGUMENT


def message(code: str, **args: Any) -> str:
    """The text of a code, or of several codes joined by `+`.

    Codes and arguments come from events that a newer or an older producer may have written, so neither can raise: a
    missing argument is shown as an ellipsis, an unknown code as itself.
    """
    return " ".join(catalogue().get(part, part).format_map(_Arguments(args)) for part in code.split("+"))


def problem_text(name: str, **args: Any) -> ProblemText:
    """The texts of `problem.NAME`."""
    return ProblemText(message(f"problem.{name}", **args), message(f"problem.{name}.recovery", **args))
