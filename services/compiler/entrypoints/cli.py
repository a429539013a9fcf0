"""Operators' commands: `python -m services.compiler.main gc [--dry-run] [--project ID]`.

Prints lines of JSON, for `retake gc` and for jq: what each film, piece and object is to retention, or what was done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from services.compiler.entrypoints.keeper import Keeper, collect_all, purge_all
from services.compiler.usecases.explain_retention import explain_retention
from shared.errors import RetakeError

SERVICE: Final = "compiler"

OpenKeeper = Callable[[], AbstractAsyncContextManager[Keeper]]


def operate(arguments: list[str], open_keeper: OpenKeeper) -> int:
    """The exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m services.compiler.main")
    commands = parser.add_subparsers(dest="command", required=True)
    gc = commands.add_parser("gc", help="free what retention lets go")
    gc.add_argument("--dry-run", action="store_true", help="change nothing: say what would happen, and why")
    gc.add_argument("--project", help="explain this project's films only (with --dry-run)")
    asked = parser.parse_args(arguments)
    if asked.project and not asked.dry_run:
        parser.error("--project goes with --dry-run: a sweep takes all projects")
    try:
        asyncio.run(_explain(open_keeper, asked.project) if asked.dry_run else _collect(open_keeper))
    except RetakeError as e:
        print(f"{e.cause} {e.recovery or ''}".rstrip(), file=sys.stderr)
        return 1
    return 0


async def _explain(open_keeper: OpenKeeper, project_id: str | None) -> None:
    async with open_keeper() as keeper:
        async for line in explain_retention(keeper.unit, keeper.collect, keeper.clock.now(), project_id):
            _print(line.verdict.line(SERVICE, line.what, line.id, line.project_id, line.size))


async def _collect(open_keeper: OpenKeeper) -> None:
    async with open_keeper() as keeper:
        now = keeper.clock.now()
        done = await purge_all(keeper.purge, now) + await collect_all(keeper.collect, now)
    _print({"service": SERVICE, "marked": done.marked, "deleted": done.deleted, "bytes": done.size})


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)
