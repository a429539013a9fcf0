"""`retake dead-letters`: what a service could not process, looked at, sent again or let go. Works on Kafka directly."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from deploy.local.cli import FAILED, USAGE, Data, Json

if TYPE_CHECKING:
    from shared.contracts.topics import Service as ServiceName
    from shared.messaging.redrive import Letter

app = typer.Typer(no_args_is_help=True, help="Events that a service could not process: see why, send them again.")

Service = Annotated[str, typer.Argument(help="The service that put them aside: gateway, generator, review, compiler.")]
Position = Annotated[str, typer.Argument(help="As `list` shows it: PARTITION:OFFSET.")]
Positions = Annotated[list[str] | None, typer.Argument(help="As `list` shows them: PARTITION:OFFSET.")]
All = Annotated[bool, typer.Option("--all", help="All that wait.")]
Kafka = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="A Kafka.  [default: the running system's]", show_default=False)
]

BODY_SHOWN: Final = 4_000  # characters; --json has it whole


@app.command("list")
def list_(
    service: Service,
    settled: Annotated[bool, typer.Option("--settled", help="Also those sent again or let go.")] = False,
    as_json: Json = False,
    kafka: Kafka = None,
    data: Data = None,
) -> None:
    """List a service's dead letters, oldest first."""
    with _errors():
        found = _read(_service(service), kafka, data, settled=settled)
    if as_json:
        typer.echo(json.dumps({"letters": [_as_object(x) for x in found]}))
    elif not found:
        typer.echo(f"No dead letters of {service} wait.")
    else:
        for letter in found:
            typer.echo(_line(letter))


@app.command()
def show(service: Service, position: Position, as_json: Json = False, kafka: Kafka = None, data: Data = None) -> None:
    """Show one dead letter with its cause, headers and body."""
    with _errors():
        found = _read(_service(service), kafka, data, settled=True, positions=[position])
    typer.echo(json.dumps(_as_object(found[0])) if as_json else _page(found[0]))


@app.command()
def redrive(
    service: Service,
    positions: Positions = None,
    everything: All = False,
    as_json: Json = False,
    kafka: Kafka = None,
    data: Data = None,
) -> None:
    """Send dead letters to their topics again, as they came. What was mended is processed; nothing happens twice."""
    with _errors():
        done = _settle(_service(service), positions or [], everything, kafka, data, send=True)
    _said(done, "sent again", as_json)


@app.command()
def discard(
    service: Service,
    positions: Positions = None,
    everything: All = False,
    as_json: Json = False,
    kafka: Kafka = None,
    data: Data = None,
) -> None:
    """Let dead letters go: they are not listed any more. Kafka keeps them until its retention ends."""
    with _errors():
        done = _settle(_service(service), positions or [], everything, kafka, data, send=False)
    _said(done, "let go", as_json)


def _read(
    service: ServiceName, kafka: str | None, data: Path | None, *, settled: bool, positions: list[str] | None = None
) -> list[Letter]:
    import asyncio

    from shared.messaging.redrive import chosen, open_box

    async def read() -> list[Letter]:
        async with open_box(_bootstrap(kafka, data), service) as box:
            return chosen(await box.letters(settled=settled), positions or [])

    return asyncio.run(read())


def _settle(
    service: ServiceName, positions: list[str], everything: bool, kafka: str | None, data: Path | None, *, send: bool
) -> list[Letter]:
    import asyncio

    from shared.core.errors import UserError
    from shared.messaging.redrive import chosen, open_box

    if bool(positions) == everything:
        raise UserError("which_letters", "Which ones?", "Name their positions, or give --all.")

    async def settle() -> list[Letter]:
        async with open_box(_bootstrap(kafka, data), service) as box:
            letters = chosen(await box.letters(), positions)
            await (box.redrive if send else box.discard)(letters)
            return letters

    return asyncio.run(settle())


def _service(name: str) -> ServiceName:
    from shared.contracts.topics import Service as ServiceName
    from shared.core.errors import UserError

    if name not in list(ServiceName):
        raise UserError("no_such_service", f"There is no service {name!r}.", f"There are {', '.join(ServiceName)}.")
    return ServiceName(name)


def _bootstrap(kafka: str | None, data: Path | None) -> str:
    from deploy.local.paths import DataDir
    from deploy.local.state import SystemState
    from shared.core.errors import UserError

    if kafka:
        return kafka
    where = DataDir.of(data)
    found = SystemState.read(where.state)
    if found is None or not found.kafka:
        raise UserError(
            "not_running",
            f"Retake does not run on {where.root}.",
            "Start it with `retake up`, or name a Kafka with --kafka HOST:PORT.",
        )
    return found.kafka


def _line(letter: Letter) -> str:
    at = letter.at.strftime("%Y-%m-%d %H:%M:%S")
    mark = "  (settled)" if letter.settled else ""
    cause = f"{letter.cause.get('code', '?')}: {letter.cause.get('cause', '')}".splitlines()[0]
    return f"{letter.position:>8}  {at}  {letter.topic:<22} {cause[:120]}{mark}"


def _page(letter: Letter) -> str:
    lines = [f"{letter.position} of {letter.at.isoformat()}{', settled' if letter.settled else ''}", "", "Why"]
    lines += [f"  {name}: {value}" for name, value in letter.cause.items()]
    lines += ["", "Headers", f"  key: {letter.key}"]
    lines += [f"  {name}: {value}" for name, value in letter.headers.items()]
    body = letter.body if len(letter.body) <= BODY_SHOWN else f"{letter.body[:BODY_SHOWN]}… ({len(letter.body)} in all)"
    return "\n".join([*lines, "", "Body", f"  {body}"])


def _as_object(letter: Letter) -> dict[str, object]:
    return asdict(letter) | {"at": letter.at.isoformat()}


def _said(done: list[Letter], what: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"positions": [x.position for x in done]}))
    else:
        typer.echo(f"{len(done)} dead letter{'' if len(done) == 1 else 's'} {what}.")


@contextmanager
def _errors() -> Iterator[None]:
    """Turn errors into words on stderr and an exit code, as every command of `retake` does."""
    from aiokafka.errors import KafkaError

    from shared.core.errors import RetakeError, UserError

    try:
        yield
    except RetakeError as e:
        typer.secho(f"Error: {e.cause}", err=True, fg=typer.colors.RED)
        typer.echo(e.recovery, err=True)
        raise typer.Exit(USAGE if isinstance(e, UserError) and e.code == "which_letters" else FAILED) from e
    except (KafkaError, OSError, TimeoutError) as e:
        typer.secho(f"Error: Kafka does not answer: {e}", err=True, fg=typer.colors.RED)
        raise typer.Exit(FAILED) from e


if __name__ == "__main__":
    sys.exit(app())
