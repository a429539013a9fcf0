"""Options that several commands share, and reading their values."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from client.cli.codes import UsageError
from client.cli.completion import episodes, projects
from client.models import Kind

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="A segment's number, `music`, or the id of an asset or segment.")
]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", "-k", help="video, starting_image or narration of that segment.  [default: video]"),
]
EpisodeOption = Annotated[
    str | None, typer.Option("--episode", help="Id or title.  [default: the newest]", autocompletion=episodes)
]
ProjectOption = Annotated[
    str | None, typer.Option("--project", help="Id or name.  [default: the newest]", autocompletion=projects)
]
EpisodeArgument = Annotated[
    str | None,
    typer.Argument(metavar="EPISODE", help="Id or title.  [default: the newest]", autocompletion=episodes),
]
ProjectArgument = Annotated[
    str | None,
    typer.Argument(metavar="PROJECT", help="Id or name.  [default: the newest]", autocompletion=projects),
]
NewProjectOption = Annotated[
    str | None, typer.Option("--project", help="Id or name; made if the name is new.", autocompletion=projects)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def parse_kind(given: str | None) -> Kind | None:
    if given is None:
        return None
    try:
        found = Kind(given.replace("-", "_").replace(" ", "_").lower())
    except ValueError:
        found = Kind.UNKNOWN
    if found is Kind.UNKNOWN:
        known = ", ".join(k.value for k in Kind if k is not Kind.UNKNOWN)
        raise UsageError(f"{given!r} is no kind of asset.", f"Choose one of: {known}.")
    return found


def pairs(given: list[str] | None, option: str) -> dict[str, Any]:
    """KEY=VALUE, where a value that reads as a number, true, false, null or quoted JSON is that."""
    found: dict[str, Any] = {}
    for text in given or []:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option} {text!r} is not KEY=VALUE.", f"Write it as {option} seed=7.")
        try:
            found[key.strip()] = json.loads(value)
        except ValueError:
            found[key.strip()] = value
    return found
