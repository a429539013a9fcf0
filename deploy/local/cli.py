"""`retake up|down|status|logs|reset`: plain functions, which the `retake` command registers by entry point.

Everything but the options is imported when a command runs, so that the other commands of `retake` start fast.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from deploy.local.control import Status
    from deploy.local.options import Options
    from deploy.local.state import PartStatus

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
_WRONG_USAGE: Final = {"no_such_broker", "no_such_log", "bad_objects_url", "not_a_data_directory"}

Data = Annotated[
    Path | None,
    typer.Option("--data", help="The data directory.  [default: $RETAKE_DATA, else ./.retake]", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="The gateway's port.  [default: the first free from 8080]")
]
Detach = Annotated[bool, typer.Option("--detach", help="Return once all is ready; `retake down` stops it.")]
Kind = Annotated[str, typer.Option(help="embedded, or apache: a real Apache Kafka (needs java and mvn).")]
Kafka = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Use an existing Kafka.")]
Database = Annotated[
    str | None, typer.Option(metavar="URL", help="An existing PostgreSQL: its URL may create roles and databases.")
]
Objects = Annotated[str | None, typer.Option(metavar="s3://BUCKET/PREFIX", help="Keep media in S3.")]
Provider = Annotated[str | None, typer.Option(help="Who makes the media by default.")]
Service = Annotated[str, typer.Argument(help="A service, postgres, broker or supervisor.")]


def up(
    data: Data = None,
    port: Port = None,
    detach: Detach = False,
    as_json: Json = False,
    broker: Kind = "embedded",
    kafka: Kafka = None,
    database: Database = None,
    objects: Objects = None,
    provider: Provider = None,
) -> None:
    """Start the whole system on this machine: PostgreSQL, the broker and the four services."""
    from deploy.local.options import Broker, Options

    with _errors():
        options = Options(
            data=str(data) if data else None, port=port, broker=Broker.named(broker), kafka=kafka,
            database=database, objects=objects, provider=provider,
        )  # fmt: skip
        (_up_detached if detach else _up_here)(options, as_json)


def down(data: Data = None) -> None:
    """Stop the system and everything it started. Its data stay."""
    from deploy.local import control
    from deploy.local.paths import DataDir

    where = DataDir.of(data)
    with _errors():
        stopped = control.down(where)
    typer.echo(f"Stopped. The data stay in {where.root}." if stopped else f"Nothing runs on {where.root}.")


def status(data: Data = None, as_json: Json = False) -> None:
    """Show each part's state, pid and address. Exit code 0 if all is ready, else 1."""
    from deploy.local import control
    from deploy.local.paths import DataDir

    where = DataDir.of(data)
    with _errors():
        found = control.status(where)
    typer.echo(json.dumps(_as_object(found, where.root)) if as_json else _as_table(found, where.root))
    raise typer.Exit(0 if found.ready else FAILED)


def logs(
    service: Service,
    data: Data = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
) -> None:
    """Print a part's log."""
    from deploy.local import logs as files
    from deploy.local.paths import DataDir
    from shared.core.errors import UserError

    where = DataDir.of(data)
    path = where.log(service)
    with _errors():
        known = sorted(p.stem for p in where.logs.glob("*.log"))
        if service not in known:
            raise UserError(
                "no_such_log",
                f"There is no log of {service!r} in {where.logs}.",
                f"There is one of: {', '.join(known)}." if known else "Start the system with `retake up`.",
            )
        end = files.size(path)
        for line in files.tail(path, lines, end):
            typer.echo(line)
        if follow:
            for text in files.follow(path, end):
                typer.echo(text, nl=False)


def reset(
    data: Data = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Stop the system and delete all of its data: projects, films, database, logs."""
    from deploy.local import control
    from deploy.local.paths import DataDir

    where = DataDir.of(data)
    if not where.root.exists():
        typer.echo(f"There is nothing at {where.root}.")
        return
    if not yes:
        typer.confirm(f"Delete {where.root} with everything in it?", abort=True)
    with _errors():
        control.reset(where)
    typer.echo(f"Deleted {where.root}.")


def _up_here(options: Options, as_json: bool) -> None:
    import asyncio

    from deploy.local.paths import DataDir
    from deploy.local.report import Journal, JsonObject, Lines
    from deploy.local.system import run

    reporter = JsonObject() if as_json else Lines(typer.echo)
    was_ready = asyncio.run(run(options, Journal(DataDir.of(options.data).log("supervisor"), reporter)))
    reporter.line("Stopped.")
    if not was_ready:
        raise typer.Exit(INTERRUPTED)


def _up_detached(options: Options, as_json: bool) -> None:
    from deploy.local.detach import start_detached
    from deploy.local.report import JsonObject, Lines

    start_detached(options, JsonObject() if as_json else Lines(typer.echo))


@contextmanager
def _errors() -> Iterator[None]:
    """Turn our errors into words on stderr and an exit code, as every command of `retake` does."""
    from shared.core.errors import RetakeError

    try:
        yield
    except RetakeError as e:
        typer.secho(f"Error: {e.cause}", err=True, fg=typer.colors.RED)
        if e.recovery:
            typer.echo(e.recovery, err=True)
        raise typer.Exit(USAGE if e.code in _WRONG_USAGE else FAILED) from e
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _as_object(found: Status, root: Path) -> dict[str, object]:
    state = found.state
    parts = {
        p.name: {
            "state": p.state,
            "pid": p.process.pid if p.process else None,
            "address": p.address,
            "starts": p.starts,
            "since": p.since,
            "detail": p.detail,
        }
        for p in (state.parts if state else ())
    }
    return {
        "running": found.running,
        "ready": found.ready,
        "gateway": state.gateway if state else None,
        "kafka": state.kafka if state else None,
        "data": str(root),
        "supervisor": state.supervisor.pid if state and found.running else None,
        "parts": parts,
    }


def _as_table(found: Status, root: Path) -> str:
    if found.state is None:
        return f"Retake does not run on {root}."
    rows = [_row(p) for p in found.state.parts]
    head = "Retake runs" if found.running else "The supervisor was killed; `retake up` or `retake down` cleans up"
    return "\n".join([f"{head} on {root}.", *rows])


def _row(part: PartStatus) -> str:
    pid = part.process.pid if part.process else "-"
    return f"{part.name:<10} {part.state:<12} {pid:>7}   {part.address or '-'}   {part.detail}".rstrip()


if __name__ == "__main__":
    app = typer.Typer(no_args_is_help=True)
    for command in (up, down, status, logs, reset):
        app.command(command.__name__)(command)
    sys.exit(app())
