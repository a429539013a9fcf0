"""The command line of a service, for operators inside its image: `python -m services.review.main dead-letters list`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from shared.contracts.topics import Service
from shared.core.clock import SystemClock
from shared.core.errors import RetakeError
from shared.core.settings import ServiceSettings
from shared.messaging.broker import BrokerConfig
from shared.messaging.dead_letter_queue import DeadLetterQueue, QueuedLetter, open_dead_letter_queue, select_letters
from shared.messaging.security import refusal
from shared.recovery import OpenRecollection, add_recover, run_recover
from shared.retention.command import OpenRetention, add_gc, run_gc

TIMEOUT_S: Final = 60.0


def run_service_command(
    service: Service,
    arguments: list[str],
    settings: Callable[[], ServiceSettings],
    open_retention: OpenRetention | None = None,
    recollection: OpenRecollection | None = None,
) -> int:
    """`gc`, for a service that owns objects, `recover`, for one that can be brought forward, and `dead-letters`. They
    print lines of JSON; `recover` prints sentences.

    Returns the exit code: 0 done, 1 failed, 2 usage.
    """
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}.main")
    commands = parser.add_subparsers(dest="command", required=True)
    if open_retention:
        add_gc(commands)
    if recollection:
        add_recover(commands)
    _add_dead_letters(commands)
    options = parser.parse_args(arguments)
    if open_retention and options.command == "gc":
        return run_gc(service, parser, options, open_retention, SystemClock())
    if recollection and options.command == "recover":
        return run_recover(service, settings, options.since, recollection)
    if options.action in ("redrive", "discard") and bool(options.positions) == options.all:
        parser.error(f"dead-letters {options.action}: give positions, or --all")
    if options.action == "show" and len(options.positions) != 1:
        parser.error("dead-letters show: give one position")
    return _run_dead_letters(service, options, settings)


def _add_dead_letters(commands: Any) -> None:
    letters = commands.add_parser("dead-letters", help="events that this service could not process")
    letters.add_argument("action", choices=["list", "show", "redrive", "discard"])
    letters.add_argument("positions", nargs="*", metavar="PARTITION:OFFSET", help="as `list` shows them")
    letters.add_argument("--all", action="store_true", help="every pending one, for redrive and discard")
    letters.add_argument("--settled", action="store_true", help="with those already sent again or discarded, for list")


def _run_dead_letters(service: Service, options: argparse.Namespace, settings: Callable[[], ServiceSettings]) -> int:
    try:
        given = settings()
        config = BrokerConfig.of(given.kafka_bootstrap, service, given, embedded=given.kafka_embedded)
    except (RetakeError, ValidationError) as error:
        print(error, file=sys.stderr)
        return 1
    try:
        letters = asyncio.run(_work(config, options))
    except RetakeError as error:
        print(f"{error.cause} {error.recovery}".rstrip(), file=sys.stderr)
        return 1
    except (KafkaError, OSError, TimeoutError) as error:
        why = asyncio.run(refusal(config.bootstrap, config.security)) or str(error) or type(error).__name__
        print(f"Kafka: {why}", file=sys.stderr)
        return 1
    for letter in letters:
        print(json.dumps({"service": service} | _as_object(letter), ensure_ascii=False), flush=True)
    return 0


async def _work(config: BrokerConfig, options: argparse.Namespace) -> list[QueuedLetter]:
    async with asyncio.timeout(TIMEOUT_S), open_dead_letter_queue(config) as queue:
        return await _do(queue, options)


async def _do(queue: DeadLetterQueue, options: argparse.Namespace) -> list[QueuedLetter]:
    """The letters that were listed, sent again or discarded."""
    if options.action == "show":
        return [await queue.get(options.positions[0])]
    letters = select_letters(await queue.letters(settled=options.settled), options.positions)
    if options.action == "redrive":
        await queue.redrive(letters)
    elif options.action == "discard":
        await queue.discard(letters)
    return letters


def _as_object(letter: QueuedLetter) -> dict[str, Any]:
    return asdict(letter) | {"at": letter.at.isoformat()}
