"""The `retake` command: its own commands, and those that installed packages add by entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import click
import typer

GROUP = "retake.commands"
"""Entry points of this group are functions or Typer apps; they become commands of the same name."""

_PANELS = {
    "Films": {
        "film": "client.cli.film:film",
        "studio": "client.cli.studio:studio",
        "generate": "client.cli.batches:generate",
        "regenerate": "client.cli.runs:regenerate",
        "upload": "client.cli.uploads:upload",
        "watch": "client.cli.watch:watch",
        "review": "client.cli.reviews:review",
        "bulk": "client.cli.bulk:app",
        "notes": "client.cli.notes:app",
        "versions": "client.cli.versions:versions",
        "compile": "client.cli.films:compile_",
        "render": "client.cli.batches:render",
        "films": "client.cli.films:app",
        "export": "client.cli.export:export",
    },
    "Project data": {
        "project": "client.cli.projects:app",
        "members": "client.cli.members:app",
        "share": "client.cli.shares:app",
        "settings": "client.cli.settings:app",
        "episode": "client.cli.episodes:app",
        "segment": "client.cli.segments:app",
        "asset": "client.cli.assets:app",
        "draft": "client.cli.assets:draft_app",
        "models": "client.cli.catalogue:models",
    },
    "Activity": {
        "runs": "client.cli.runs:app",
        "batch": "client.cli.batches:app",
        "feed": "client.cli.reports:feed",
        "history": "client.cli.reviews:history",
        "metrics": "client.cli.reports:metrics",
        "usage": "client.cli.reports:usage",
        "me": "client.cli.accounts:me",
    },
    "This machine": {
        "completion": "client.cli.completion:completion",
        "provenance": "client.cli.provenance:provenance",
    },
}
_OURS = {
    panel: [EntryPoint(name, value, GROUP) for name, value in entries.items()] for panel, entries in _PANELS.items()
}

_EPILOG = (
    "Example: `retake film photo1.jpg photo2.jpg -o film.mp4`\n\n"
    "Exit codes: 0 success, 1 failure, 2 invalid usage or input files, 3 gateway unreachable, "
    "4 refused by the gateway, 130 interrupted (Ctrl-C)."
)


def build(arguments: Sequence[str] = (), added: Sequence[EntryPoint] | None = None) -> typer.Typer:
    """The command line. If `arguments` start with the name of a command, only that one is loaded, to start faster."""
    app = typer.Typer(
        name="retake",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help="Regenerate the parts of an AI video that are not good enough. Every new version is reviewed by a person "
        "before it becomes part of the film.",
        epilog=_EPILOG,
    )
    app.callback()(_options)
    others = sorted(entry_points(group=GROUP) if added is None else added, key=lambda e: e.name)
    named = arguments[0] if arguments else None
    known = {e.name for e in others}.union(*(_PANELS.values()))
    for panel, ours in _OURS.items():
        for entry in [*ours, *others] if panel == "This machine" else ours:
            if named not in known or entry.name == named:
                _add(app, entry, panel)
    return app


def main() -> None:
    try:
        hide_flag_types(typer.main.get_command(build(_arguments())))(prog_name="retake")
    except KeyboardInterrupt:  # before a command has started
        sys.exit(130)


def _arguments() -> list[str]:
    """The arguments, or, during shell completion, those of the line to complete."""
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS")
    return line.split()[1:] if line and "_RETAKE_COMPLETE" in os.environ else sys.argv[1:]


def hide_flag_types(command: Any) -> Any:
    """Flags take no value: newer releases of Typer print <bool> after them otherwise."""
    for parameter in command.params:
        if getattr(parameter, "is_flag", False) and not parameter.metavar:
            parameter.metavar = ""
    if help_option := command.get_help_option(click.Context(command)):
        help_option.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        hide_flag_types(inner)
    return command


def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=lambda shown: _show_version(shown)
        ),
    ] = False,
) -> None:
    """Options before the command."""


def _show_version(shown: bool) -> None:
    if shown:
        typer.echo(f"retake {version('retake')}")
        raise typer.Exit


def _add(app: typer.Typer, entry: EntryPoint, panel: str) -> None:
    try:
        loaded = entry.load()
    except Exception as e:
        loaded = _broken(entry, e)
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=entry.name, rich_help_panel=panel)
    else:
        app.command(entry.name, rich_help_panel=panel)(loaded)


def _broken(entry: EntryPoint, error: Exception) -> Callable[[], None]:
    """A command that cannot be loaded reports that when it is called, and does not affect the others."""
    reason = f"{type(error).__name__}: {error}"

    def command() -> None:
        typer.echo(f"Error: `retake {entry.name}` cannot be loaded ({entry.value}): {reason}", err=True)
        raise typer.Exit(1)

    command.__doc__ = f"Cannot be loaded: {reason}"
    return command


if __name__ == "__main__":
    main()
