"""Operators' and builders' commands:

    python -m services.gateway.entrypoints.cli openapi > docs/api/openapi.json
    python -m services.gateway.entrypoints.cli reference > docs/api/README.md
    python -m services.gateway.main gc [--dry-run] [--project ID]

`gc` prints lines of JSON, for `retake gc` and for jq: what each upload is to retention, or what was done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from services.gateway.entrypoints.http.app import build_app
from services.gateway.entrypoints.http.markdown import api_reference
from services.gateway.usecases.purge_uploads import PurgeUploads
from shared.clock import SystemClock
from shared.errors import RetakeError

SERVICE = "gateway"

OpenPurge = Callable[[], AbstractAsyncContextManager[PurgeUploads]]


def openapi() -> str:
    """The API's document, the same bytes for the same code."""
    return json.dumps(build_app(None, SystemClock()).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def reference() -> str:
    """The same for people, as Markdown."""
    return api_reference(json.loads(openapi()))


def operate(arguments: list[str], open_purge: OpenPurge | None = None) -> int:
    """The exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway.main")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("openapi", help="print the API's document")
    commands.add_parser("reference", help="print it for people, as Markdown")
    gc = commands.add_parser("gc", help="free uploads that have served")
    gc.add_argument("--dry-run", action="store_true", help="change nothing: say what would happen, and why")
    gc.add_argument("--project", help="explain this project only (with --dry-run)")
    asked = parser.parse_args(arguments)
    if asked.command in ("openapi", "reference"):
        sys.stdout.write(openapi() if asked.command == "openapi" else reference())
        return 0
    if asked.project and not asked.dry_run:
        parser.error("--project goes with --dry-run: a sweep takes all projects")
    if open_purge is None:
        parser.error("run it as python -m services.gateway.main gc")
    try:
        asyncio.run(_explain(open_purge, asked.project) if asked.dry_run else _collect(open_purge))
    except RetakeError as e:
        print(f"{e.cause} {e.recovery or ''}".rstrip(), file=sys.stderr)
        return 1
    return 0


async def _explain(open_purge: OpenPurge, project_id: str | None) -> None:
    now = SystemClock().now()
    async with open_purge() as purge:
        async for held, verdict in purge.explain(now):
            if project_id in (None, held.project_id):
                what = f"upload {held.filename}"
                _print(verdict.line(SERVICE, what, held.upload_id, held.project_id, held.size))
        if project_id is not None:
            return
        async for stored, verdict in purge.orphans(now):
            _print(verdict.line(SERVICE, "object", stored.key, None, stored.size))


async def _collect(open_purge: OpenPurge) -> None:
    async with open_purge() as purge:
        done = await purge(SystemClock().now())
    _print({"service": SERVICE, "marked": done.marked, "deleted": done.deleted, "bytes": done.size})


def _print(line: dict[str, Any]) -> None:
    print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(operate(sys.argv[1:]))
