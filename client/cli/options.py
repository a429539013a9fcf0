"""Options that several commands share, and the parsing of their values."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from client.cli.command import Positional
from client.cli.completion import episodes, projects
from client.cli.exit_codes import UsageError
from client.models import AssetKind

Target = Annotated[
    str,
    typer.Argument(metavar="TARGET", help="Number of a segment, `music`, or the id of an asset or segment."),
]
KindOption = Annotated[
    str | None,
    typer.Option("--kind", "-k", help="Asset of the segment: video, starting_image or narration.  [default: video]"),
]
EpisodeOption = Annotated[
    str | None, typer.Option("--episode", help="Id or title.  [default: the newest]", autocompletion=episodes)
]
ProjectOption = Annotated[
    str | None, typer.Option("--project", help="Id or name.  [default: the newest]", autocompletion=projects)
]
SubjectEpisode = Annotated[
    str | None,
    typer.Option("--episode", help="Id or title.  [default: the newest]", autocompletion=episodes),
    Positional("EPISODE", episodes),
]
"""Of commands that have no other argument: `retake compile "My film"` is understood, too."""
SubjectProject = Annotated[
    str | None,
    typer.Option("--project", help="Id or name.  [default: the newest]", autocompletion=projects),
    Positional("PROJECT", projects),
]
NewProjectOption = Annotated[
    str | None,
    typer.Option("--project", help="Id or name; a project of that name is created if needed.", autocompletion=projects),
]
EpisodeFilter = Annotated[
    str | None, typer.Option("--episode", help="Id or title.  [default: all episodes]", autocompletion=episodes)
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="Maximum number of entries.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Overwrite an existing file.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def parse_kind(text: str | None) -> AssetKind | None:
    """The kind of asset, `starting-image` for `starting_image` too. Raises UsageError for an unknown one."""
    if text is None:
        return None
    try:
        kind = AssetKind(text.replace("-", "_").replace(" ", "_").lower())
    except ValueError:
        kind = AssetKind.UNKNOWN
    if kind is AssetKind.UNKNOWN:
        known = ", ".join(k.value for k in AssetKind if k is not AssetKind.UNKNOWN)
        raise UsageError(f"Unknown kind of asset: {text!r}.", f"Choose one of: {known}.")
    return kind


def parse_pairs(texts: list[str] | None, option: str) -> dict[str, Any]:
    """KEY=VALUE pairs. A value that is valid JSON (a number, true, null, a quoted string) is parsed as such.

    Raises UsageError for anything else.
    """
    pairs: dict[str, Any] = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option} {text!r} is not KEY=VALUE.", f"Write it as {option} seed=7.")
        try:
            pairs[key.strip()] = json.loads(value)
        except ValueError:
            pairs[key.strip()] = value
    return pairs


def check_output_file(output: Path, *, force: bool) -> None:
    """Raise UsageError unless a file can be created at `output`, or overwritten there with `force`."""
    folder = output.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} does not exist.", "Create it, or choose another --output.")
    if output.is_dir():
        raise UsageError(f"{output} is a folder.", "Give a file name with --output.")
    if not force:
        check_vacant(output)


def check_vacant(output: Path) -> None:
    """Raise UsageError if something is at `output`, also a link to nothing."""
    if os.path.lexists(output):
        raise UsageError(f"{output} exists.", "Choose another --output, or overwrite it with --force.")


def named(text: str | None, what: str) -> str:
    """The object of a command that never takes the newest one. Raises UsageError if it is not named."""
    if text is None:
        raise UsageError(f"Which {what}?", f"Name it with --{what}: its id, or its title or name.")
    return text
