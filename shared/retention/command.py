"""The `gc` command for operators, the same in every service that owns objects. It prints lines of JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from shared.core.clock import Clock
from shared.core.errors import RetakeError
from shared.retention.engine import Explanation, RetentionService

OpenRetention = Callable[[], AbstractAsyncContextManager[RetentionService]]


class Subparsers(Protocol):
    """What `argparse.ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser: ...


def run_command(service: str, arguments: list[str], open_retention: OpenRetention, clock: Clock) -> int:
    """The command line of a service whose only command is `gc`. Returns the exit code: 0 done, 1 failed, 2 usage."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}.main")
    add_gc(parser.add_subparsers(dest="command", required=True))
    return run_gc(service, parser, parser.parse_args(arguments), open_retention, clock)


def add_gc(commands: Subparsers) -> None:
    """Adds the `gc` command to a service's command line."""
    gc = commands.add_parser("gc", help="delete expired records and orphaned objects")
    gc.add_argument("--dry-run", action="store_true", help="change nothing; print what would happen, and why")
    gc.add_argument("--project", help="explain the records of this project only (with --dry-run)")


def run_gc(
    service: str, parser: argparse.ArgumentParser, options: argparse.Namespace, open_retention: OpenRetention,
    clock: Clock,
) -> int:  # fmt: skip
    """Runs the parsed `gc` command. Returns the exit code: 0 done, 1 failed, 2 usage."""
    if options.project and not options.dry_run:
        parser.error("--project needs --dry-run: gc always deletes in all projects")
    if options.dry_run:
        work = _explain(service, open_retention, options.project, clock)
    else:
        work = _free(service, open_retention, clock)
    try:
        asyncio.run(work)
    except RetakeError as e:
        print(f"{e.cause} {e.recovery or ''}".rstrip(), file=sys.stderr)
        return 1
    return 0


async def _explain(service: str, open_retention: OpenRetention, project_id: str | None, clock: Clock) -> None:
    async with open_retention() as retention:
        async for explanation in retention.explain(clock.now(), project_id):
            _print(_line(service, explanation))


async def _free(service: str, open_retention: OpenRetention, clock: Clock) -> None:
    async with open_retention() as retention:
        now = clock.now()
        freed = await retention.purge(now) + await retention.collect(now)
    _print({"service": service, "marked": freed.marked, "deleted": freed.deleted, "bytes": freed.size})


def _line(service: str, explanation: Explanation) -> dict[str, Any]:
    found = explanation.disposition
    return {
        "service": service, "what": explanation.what, "id": explanation.id, "project_id": explanation.project_id,
        "bytes": explanation.size, "action": found.action.value, "why": found.reason,
        "since": found.since.isoformat(), "until": found.until.isoformat() if found.until else None,
    }  # fmt: skip


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)
