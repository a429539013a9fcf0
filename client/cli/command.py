"""Commands from async functions: shared options, errors without tracebacks, signal handling."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from client.cli.exit_codes import Code, code_of
from client.cli.session import Session
from client.errors import ClientError

P = ParamSpec("P")
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

    def run(**given: Any) -> None:
        session = Session(**{name: given.pop(name) for name in _SHARED})
        code = execute(session, lambda: work(session, **given))  # type: ignore[call-arg]
        if code:
            raise typer.Exit(code)

    run.__name__ = work.__name__
    run.__doc__ = work.__doc__
    run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
    return run


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
