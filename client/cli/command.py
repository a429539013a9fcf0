"""Commands from async functions: shared options, errors without tracebacks, signal handling."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from client.cli.exit_codes import Code, UsageError, code_of
from client.cli.session import Session
from client.errors import ClientError

P = ParamSpec("P")


@dataclass(frozen=True)
class Positional:
    """In the annotation of an option: its value may be given without the option's name, too. Help lists the option
    only. `complete` completes it in shells."""

    metavar: str
    complete: Callable[[str], list[str]]


_GATEWAY = "Gateway"

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and all other output on stderr.")]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="URL of the gateway.  [default: $RETAKE_URL, else the local system]",
                 rich_help_panel=_GATEWAY),
]  # fmt: skip
Token = Annotated[
    str | None,
    typer.Option("--token", metavar="TOKEN", help="Access token.  [default: $RETAKE_TOKEN, else the local system's]",
                 rich_help_panel=_GATEWAY),
]  # fmt: skip
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data directory of the local system.  [default: $RETAKE_DATA, else ./.retake]",
        rich_help_panel=_GATEWAY,
    ),
]
_SHARED = {"as_json": (Json, False), "url": (Url, None), "token": (Token, None), "data": (Data, None)}


def command(work: Callable[Concatenate[Session, P], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A plain function for Typer, with the parameters of `work` after the session, and those of all commands."""
    own = list(inspect.signature(work, eval_str=True).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _SHARED.items()
    ]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    aliases = _aliases(own)

    def run(**given: Any) -> None:
        session = Session(**{name: given.pop(name) for name in _SHARED})
        positional = {name: given.pop(alias.name) for name, alias in aliases.items()}
        code = execute(session, lambda: work(session, **_merged(given, positional)))  # type: ignore[call-arg]
        if code:
            raise typer.Exit(code)

    run.__name__ = work.__name__
    run.__doc__ = work.__doc__
    parameters = [*own, *aliases.values(), *shared]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _aliases(options: list[inspect.Parameter]) -> dict[str, inspect.Parameter]:
    """By the name of the option: the argument that may take its place."""
    found = {}
    for option in options:
        for mark in getattr(option.annotation, "__metadata__", ()):
            if isinstance(mark, Positional):
                argument = typer.Argument(metavar=mark.metavar, hidden=True, autocompletion=mark.complete)
                found[option.name] = option.replace(
                    name=f"{option.name}_argument", annotation=Annotated[str | None, argument]
                )
    return found


def _merged(given: dict[str, Any], positional: dict[str, Any]) -> dict[str, Any]:
    """Raises UsageError if a value is given both ways."""
    for name, value in positional.items():
        if value is not None and given[name] is not None:
            raise UsageError(f"The {name} is given twice: {value!r} and --{name} {given[name]!r}.", "Leave one out.")
    return given | {name: value for name, value in positional.items() if value is not None}


def execute(session: Session, work: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run the work, report its error, and return the exit code. Ctrl-C and SIGTERM let it clean up; a second Ctrl-C
    does not."""
    try:
        asyncio.run(_until_signal(work()))
    except ClientError as e:
        session.fail(e)
        return code_of(e)
    except KeyboardInterrupt:
        session.errors.print("Stopped.", markup=False)
        return Code.INTERRUPTED
    except asyncio.CancelledError:
        session.errors.print("Stopped.", markup=False)
        return Code.TERMINATED
    except BrokenPipeError:
        # The reader of our output is gone. The interpreter's last flush must not fail:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Code.FAILED
    except Exception as e:
        if os.environ.get("RETAKE_DEBUG"):
            raise
        session.fail(ClientError(f"{type(e).__name__}: {e}", "This is a bug. Set RETAKE_DEBUG=1 for a traceback."))
        return Code.FAILED
    return Code.OK


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    await work
