"""The `retake` command: its own commands, and those that installed packages add to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer

GROUP = "retake.commands"
"""Entry points of this group are functions or Typer apps; they become commands of the same name."""

_OURS = [
    EntryPoint(name, value, GROUP)
    for name, value in {
        "film": "client.cli.film:film",
        "episode": "client.cli.episodes:app",
        "regenerate": "client.cli.regenerate:regenerate",
        "watch": "client.cli.watch:watch",
        "review": "client.cli.review:review",
        "versions": "client.cli.versions:versions",
        "compile": "client.cli.compiling:compile_",
        "runs": "client.cli.runs:app",
        "models": "client.cli.models:models",
    }.items()
]

_EPILOG = (
    "Try: `retake film photo1.jpg photo2.jpg -o film.mp4`\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage or unusable files, 3 no gateway answers, "
    "4 refused by the gateway, 130 stopped by Ctrl-C."
)


def build(arguments: Sequence[str] = (), added: Sequence[EntryPoint] | None = None) -> typer.Typer:
    """The command line. If `arguments` begin with a command's name only that one is loaded: it starts much sooner."""
    app = typer.Typer(
        name="retake",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help="Regenerate the parts of an AI video that are not good enough, with a person in charge of what reaches "
        "the film.",
        epilog=_EPILOG,
    )
    app.callback()(_options)
    others = sorted(entry_points(group=GROUP) if added is None else added, key=lambda e: e.name)
    named = arguments[0] if arguments else None
    known = {e.name for e in (*_OURS, *others)}
    for panel, entries in (("Films", _OURS), ("This machine", others)):
        for entry in entries:
            if named not in known or entry.name == named:
                _add(app, entry, panel)
    return app


def main() -> None:
    try:
        readable(typer.main.get_command(build(sys.argv[1:])))(prog_name="retake")
    except KeyboardInterrupt:  # before a command had begun
        sys.exit(130)


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
    """A command that cannot be loaded says so when it is called, and leaves the others in peace."""
    reason = f"{type(error).__name__}: {error}"

    def command() -> None:
        typer.echo(f"Error: `retake {entry.name}` cannot be loaded ({entry.value}): {reason}", err=True)
        raise typer.Exit(1)

    command.__doc__ = f"Cannot be loaded: {reason}"
    return command


if __name__ == "__main__":
    main()
