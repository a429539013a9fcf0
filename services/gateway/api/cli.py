"""Operators' and builders' commands:

python -m services.gateway.api.cli openapi > docs/api/openapi.json
python -m services.gateway.api.cli reference > docs/api/README.md
python -m services.gateway.main gc [--dry-run] [--project ID]
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Final

from services.gateway.api.app import build_app
from services.gateway.api.markdown import api_reference
from shared.core.clock import SystemClock
from shared.retention.command import OpenRetention, add_gc, run_gc

SERVICE: Final = "gateway"


def openapi() -> str:
    """The API's document, the same bytes for the same code."""
    return json.dumps(build_app(None, SystemClock()).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def reference() -> str:
    """The same for people, as Markdown."""
    return api_reference(json.loads(openapi()))


def operate(arguments: list[str], open_retention: OpenRetention | None = None) -> int:
    """The exit code: 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{SERVICE}.main")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("openapi", help="print the API's document")
    commands.add_parser("reference", help="print it for people, as Markdown")
    add_gc(commands)
    asked = parser.parse_args(arguments)
    if asked.command in ("openapi", "reference"):
        sys.stdout.write(openapi() if asked.command == "openapi" else reference())
        return 0
    if open_retention is None:
        parser.error(f"run it as {parser.prog} gc")
    return run_gc(SERVICE, parser, asked, open_retention, SystemClock())


if __name__ == "__main__":
    sys.exit(operate(sys.argv[1:]))
