"""The `retake` command: its own commands, and those that installed packages add to it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

from client.cli import compiling, episodes, film, models, regenerate, review, runs, versions, watch
from client.cli.codes import HELP, Code

GROUP = "retake.commands"
"""Entry points of this group are functions or Typer apps; they become commands of the same name."""

_OURS = "Films"
_ADDED = "This machine"


def build(added: list[EntryPoint] | None = None) -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        name="retake",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help="Regenerate the parts of an AI video that are not good enough, with a person in charge of what reaches "
        "the film.",
        epilog=f"Try: `retake film photo1.jpg photo2.jpg -o film.mp4`\n\n{HELP}",
    )
    app.callback()(_options)
    app.command("film", rich_help_panel=_OURS)(film.film)
    app.add_typer(episodes.app, name="episode", rich_help_panel=_OURS)
    app.command("regenerate", rich_help_panel=_OURS)(regenerate.regenerate)
    app.command("watch", rich_help_panel=_OURS)(watch.watch)
    app.command("review", rich_help_panel=_OURS)(review.review)
    app.command("versions", rich_help_panel=_OURS)(versions.versions)
    app.command("compile", rich_help_panel=_OURS)(compiling.compile_)
    app.add_typer(runs.app, name="runs", rich_help_panel=_OURS)
    app.command("models", rich_help_panel=_OURS)(models.models)
    for entry in sorted(entry_points(group=GROUP) if added is None else added, key=lambda e: e.name):
        _add(app, entry)
    return app


def main() -> None:
    try:
        readable(typer.main.get_command(build()))(prog_name="retake")
    except KeyboardInterrupt:  # before a command had begun
        sys.exit(Code.INTERRUPTED)


def readable(command: Any) -> Any:
    """A flag takes nothing: newer releases of Typer write <bool> after it otherwise."""
    for parameter in command.params:
        if getattr(parameter, "is_flag", False) and not parameter.metavar:
            parameter.metavar = ""
    for inner in getattr(command, "commands", {}).values():
        readable(inner)
    return command


def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=lambda shown: _show_version(shown)),
    ] = False,
) -> None:
    """Options before the command."""


def _show_version(shown: bool) -> None:
    if shown:
        typer.echo(f"retake {version('retake')}")
        raise typer.Exit


def _add(app: typer.Typer, entry: EntryPoint) -> None:
    try:
        loaded = entry.load()
    except Exception as e:
        loaded = _broken(entry, e)
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=entry.name, rich_help_panel=_ADDED)
    else:
        app.command(entry.name, rich_help_panel=_ADDED)(loaded)


def _broken(entry: EntryPoint, error: Exception) -> Callable[[], None]:
    """A command that cannot be loaded says so when it is called, and leaves the others in peace."""
    reason = f"{type(error).__name__}: {error}"

    def command() -> None:
        typer.echo(f"Error: `retake {entry.name}` cannot be loaded ({entry.value}): {reason}", err=True)
        raise typer.Exit(Code.FAILED)

    command.__doc__ = f"Cannot be loaded: {reason}"
    return command


if __name__ == "__main__":
    main()
