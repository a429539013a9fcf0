"""Operators' and builders' commands: `python -m services.gateway.entrypoints.cli openapi > docs/api/openapi.json`."""

from __future__ import annotations

import json
import sys

from services.gateway.entrypoints.http.app import build_app
from shared.clock import SystemClock


def openapi() -> str:
    """The API's document, the same bytes for the same code."""
    return json.dumps(build_app(None, SystemClock()).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    if arguments != ["openapi"]:
        print("usage: python -m services.gateway.entrypoints.cli openapi", file=sys.stderr)
        return 2
    sys.stdout.write(openapi())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
