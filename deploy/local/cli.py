"""Operators' commands of `retake`: `up`, `down`, `status`, `logs`, `reset`, `gc`, `recover`, `dead-letters`, `demo`.

Plain functions and one Typer app, which `retake` registers by entry point. Only the options are declared here; the
implementation is imported when a command runs, so that the other commands of `retake` start fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells report it
_USAGE_ERRORS: Final = {
    "no_such_broker", "no_such_log", "bad_objects_url", "not_a_data_directory", "no_letters_selected",
    "project_needs_dry_run", "still_running", "never_ran", "topics_not_kept", "not_recovered",
}  # fmt: skip

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory.  [default: $RETAKE_DATA, else ./.retake]", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Kafka = Annotated[
    str | None,
    typer.Option(
        "--kafka", metavar="HOST:PORT", help="Kafka broker.  [default: the running system's]", show_default=False
    ),
]
Service = Annotated[str, typer.Argument(help="The consuming service: gateway, generator, review or compiler.")]
Position = Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="Position, as shown by `list`.")]
Positions = Annotated[
    list[str] | None, typer.Argument(metavar="PARTITION:OFFSET", help="Positions, as shown by `list`.")
]
All = Annotated[bool, typer.Option("--all", help="Select all pending dead letters.")]

dead_letters = typer.Typer(no_args_is_help=True, help="Inspect, resend or discard events that a service rejected.")


def up(
    data: Data = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the gateway.  [default: the first free port from 8080]"),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; return when the system is ready.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the web page when the system is ready.")] = False,
    as_json: Json = False,
    broker: Annotated[
        str, typer.Option(help="embedded, or apache for a single-node Apache Kafka (needs Java and Maven).")
    ] = "embedded",
    kafka: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Use an existing Kafka cluster.")] = None,
    database: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Use an existing PostgreSQL server; the user may create roles and databases."),
    ] = None,
    objects: Annotated[
        str | None,
        typer.Option(metavar="s3://BUCKET/PREFIX", help="Store media in S3, or gs:// in Google Cloud Storage."),
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Default provider of generated media.")] = None,
) -> None:
    """Start the whole system on this machine: PostgreSQL, the broker and the four services."""
    from deploy.local.commands import up as implementation
    from deploy.local.supervisor.options import Broker, Options

    with _errors():
        options = Options(
            data=str(data) if data else None, port=port, broker=Broker.named(broker), kafka=kafka,
            database=database, objects=objects, provider=provider,
        )  # fmt: skip
        if detach:
            implementation.in_background(options, as_json, open_browser=open_browser)
        elif not implementation.in_foreground(options, as_json, open_browser=open_browser):
            raise typer.Exit(INTERRUPTED)


def down(data: Data = None) -> None:
    """Stop the system and everything it started. Its data are kept."""
    from deploy.local.commands.down import stop
    from deploy.local.supervisor.data_dir import DataDir

    directory = DataDir.of(data)
    with _errors():
        stopped = stop(directory)
    typer.echo(
        f"Stopped. The data are kept in {directory.root}." if stopped else f"Retake is not running on {directory.root}."
    )


def status(data: Data = None, as_json: Json = False) -> None:
    """Show the state, pid and address of each part. The exit code is 0 if all are ready, else 1."""
    from deploy.local.commands import status as implementation
    from deploy.local.supervisor.data_dir import DataDir

    directory = DataDir.of(data)
    with _errors():
        found = implementation.read(directory)
    render = implementation.as_json if as_json else implementation.as_table
    typer.echo(render(found, directory.root))
    raise typer.Exit(0 if found.ready else FAILED)


def logs(
    part: Annotated[str, typer.Argument(help="A service, postgres, broker, launcher or supervisor.")],
    data: Data = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new output.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Number of lines to print from the end.")] = 100,
) -> None:
    """Print the log of one part."""
    from deploy.local.commands.logs import read
    from deploy.local.supervisor.data_dir import DataDir

    with _errors():
        for text in read(DataDir.of(data), part, lines, follow=follow):
            typer.echo(text, nl=False)


def reset(data: Data = None, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Stop the system and delete all of its data: projects, films, database, logs."""
    from deploy.local.commands.reset import delete
    from deploy.local.supervisor.data_dir import DataDir

    directory = DataDir.of(data)
    if not directory.root.exists():
        typer.echo(f"{directory.root} does not exist.")
        return
    if not yes:
        typer.confirm(f"Delete {directory.root} and everything in it?", abort=True)
    with _errors():
        delete(directory)
    typer.echo(f"Deleted {directory.root}.")


def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; print what would be deleted, and why.")
    ] = False,
    project: Annotated[
        str | None, typer.Option(metavar="ID", help="Restrict the report to one project (needs --dry-run).")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="With --dry-run, also list what is kept, and why.")] = False,
    as_json: Json = False,
    data: Data = None,
) -> None:
    """Delete expired versions, uploads and objects now (docs/operations/retention.md)."""
    from deploy.local.commands.gc import run
    from deploy.local.supervisor.data_dir import DataDir

    with _errors():
        for text in run(DataDir.of(data), dry_run=dry_run, project=project, list_kept=everything, as_json=as_json):
            typer.echo(text)


def recover(
    since: Annotated[
        str, typer.Option(metavar="T", help="The moment to which the databases were restored: 2026-11-29T10:00:00Z.")
    ],
    services: Annotated[
        list[str] | None,
        typer.Option(
            "--service", metavar="NAME", help="generator, review or compiler; may be repeated.  [default: all three]"
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Bring services forward whose databases alone were restored (docs/operations/restore.md); needs --kafka and
    --database systems, stopped."""
    from argparse import ArgumentTypeError

    from deploy.local.commands.recover import FORWARD, run
    from deploy.local.supervisor.data_dir import DataDir
    from shared.contracts.topics import Service as Name
    from shared.recover import GATEWAY_ALONE
    from shared.recovery import moment

    try:
        at = moment(since)
    except ArgumentTypeError as e:
        raise typer.BadParameter(str(e), param_hint="--since") from e
    for name in services or []:
        if name == Name.GATEWAY:
            raise typer.BadParameter(GATEWAY_ALONE, param_hint="--service")
        if name not in list(Name):
            raise typer.BadParameter(f"{name!r} is none of {', '.join(FORWARD)}", param_hint="--service")
    with _errors():
        for text in run(DataDir.of(data), at, [Name(name) for name in services or FORWARD]):
            typer.echo(text)


def demo(
    photos: Annotated[Path | None, typer.Option("--photos", metavar="FOLDER", help="Use your own photographs.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Output directory.")] = Path("out/demo"),
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", help="Frame size of the film: 640x360 is quick.  [default: 1920x1080]"),
    ] = None,
) -> None:
    """Make a film from four photographs on a temporary system, with one rejected segment, and verify the result."""
    from deploy.local.demo.command import run

    run(photos, out, size)


@dead_letters.command("list")
def list_dead_letters(
    service: Annotated[
        str | None,
        typer.Argument(help="The consuming service: gateway, generator, review or compiler.  [default: all of them]"),
    ] = None,
    settled: Annotated[bool, typer.Option("--settled", help="Include those already resent or discarded.")] = False,
    as_json: Json = False,
    kafka: Kafka = None,
    data: Data = None,
) -> None:
    """List the dead letters of a service, or of all services, oldest first."""
    from deploy.local.commands import dead_letters as implementation

    with _errors():
        letters = implementation.read_all([service] if service else None, kafka, data, settled=settled)
    typer.echo(implementation.as_json(letters) if as_json else implementation.as_lines(letters))


@dead_letters.command("show")
def show_dead_letter(
    service: Service, position: Position, as_json: Json = False, kafka: Kafka = None, data: Data = None
) -> None:
    """Show one dead letter: its cause, headers and body."""
    from deploy.local.commands import dead_letters as implementation

    with _errors():
        (letter,) = implementation.read(service, kafka, data, settled=True, positions=[position])
    typer.echo(implementation.one_as_json(letter) if as_json else implementation.as_page(letter))


@dead_letters.command("redrive")
def redrive_dead_letters(
    service: Service,
    positions: Positions = None,
    everything: All = False,
    as_json: Json = False,
    kafka: Kafka = None,
    data: Data = None,
) -> None:
    """Send dead letters to their original topics again. Repeating it is harmless: no event takes effect twice."""
    from deploy.local.commands import dead_letters as implementation

    with _errors():
        letters = implementation.redrive(service, positions or [], everything, kafka, data)
    typer.echo(implementation.positions_as_json(letters) if as_json else implementation.counted(letters, "resent"))


@dead_letters.command("discard")
def discard_dead_letters(
    service: Service,
    positions: Positions = None,
    everything: All = False,
    as_json: Json = False,
    kafka: Kafka = None,
    data: Data = None,
) -> None:
    """Discard dead letters: they are no longer listed. Kafka keeps the records until their retention ends."""
    from deploy.local.commands import dead_letters as implementation

    with _errors():
        letters = implementation.discard(service, positions or [], everything, kafka, data)
    typer.echo(implementation.positions_as_json(letters) if as_json else implementation.counted(letters, "discarded"))


@contextmanager
def _errors() -> Iterator[None]:
    """Report our errors on stderr and by exit code, as every command of `retake` does."""
    from shared.core.errors import RetakeError

    try:
        yield
    except RetakeError as e:
        typer.secho(f"Error: {e.cause}", err=True, fg=typer.colors.RED)
        if e.recovery:
            typer.echo(e.recovery, err=True)
        raise typer.Exit(USAGE if e.code in _USAGE_ERRORS else FAILED) from e
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
