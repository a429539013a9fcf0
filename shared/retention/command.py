"""`gc` for operators, the same for every service that owns objects: lines of JSON, for `retake gc` and for jq."""

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
from shared.retention import Explained, Keeper

OpenKeeper = Callable[[], AbstractAsyncContextManager[Keeper]]


class Commands(Protocol):
    """What `argparse.ArgumentParser.add_subparsers` gives."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser: ...


def operate(service: str, arguments: list[str], open_keeper: OpenKeeper, clock: Clock) -> int:
    """Of a service that has no other command. The exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}.main")
    add_gc(parser.add_subparsers(dest="command", required=True))
    return run_gc(service, parser, parser.parse_args(arguments), open_keeper, clock)


def add_gc(commands: Commands) -> None:
    gc = commands.add_parser("gc", help="free what retention lets go")
    gc.add_argument("--dry-run", action="store_true", help="change nothing: say what would happen, and why")
    gc.add_argument("--project", help="explain what belongs to this project only (with --dry-run)")


def run_gc(
    service: str, parser: argparse.ArgumentParser, asked: argparse.Namespace, open_keeper: OpenKeeper, clock: Clock
) -> int:
    """The exit code: 0 done, 1 failed, 2 wrong usage."""
    if asked.project and not asked.dry_run:
        parser.error("--project goes with --dry-run: a sweep takes all projects")
    work = _explain(service, open_keeper, asked.project, clock) if asked.dry_run else _free(service, open_keeper, clock)
    try:
        asyncio.run(work)
    except RetakeError as e:
        print(f"{e.cause} {e.recovery or ''}".rstrip(), file=sys.stderr)
        return 1
    return 0


async def _explain(service: str, open_keeper: OpenKeeper, project_id: str | None, clock: Clock) -> None:
    async with open_keeper() as keeper:
        async for explained in keeper.explain(clock.now(), project_id):
            _print(_line(service, explained))


async def _free(service: str, open_keeper: OpenKeeper, clock: Clock) -> None:
    async with open_keeper() as keeper:
        now = clock.now()
        done = await keeper.purge(now) + await keeper.collect(now)
    _print({"service": service, "marked": done.marked, "deleted": done.deleted, "bytes": done.size})


def _line(service: str, explained: Explained) -> dict[str, Any]:
    verdict = explained.verdict
    return {
        "service": service, "what": explained.what, "id": explained.id, "project_id": explained.project_id,
        "bytes": explained.size, "action": verdict.action.value, "why": verdict.why,
        "since": verdict.since.isoformat(), "until": verdict.until.isoformat() if verdict.until else None,
    }  # fmt: skip


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)
