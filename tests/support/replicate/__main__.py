"""`python -m tests.support.replicate --port 9900`, then point Retake at it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
from pathlib import Path

from tests.support.replicate.faults import HELP
from tests.support.replicate.predictions import RETENTION_S
from tests.support.replicate.schemas import add_model
from tests.support.replicate.server import TOKEN, running


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.replicate",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=9900)
    parser.add_argument("--speed", type=float, default=1.0, help="10: ten times as fast as Replicate")
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument(
        "--retention",
        type=float,
        default=RETENTION_S,
        metavar="S",
        help="seconds until inputs and outputs of what ended are purged; default: an hour, as there",
    )
    parser.add_argument(
        "--models",
        type=Path,
        metavar="FILE",
        help="JSON of models to add: {SLUG: {like: a built-in "
        "SLUG, schema: {NAME: JSON Schema}, required: NAME, rename: {NAME: its name in `like`}, "
        "values: {VALUE: its value in `like`}}}",
    )
    parser.add_argument("--fault", action="append", default=[], type=json.loads, metavar="JSON", help="see below")
    parser.add_argument("--folder", type=Path, help="where outputs are kept; default: a temporary one")
    asked = parser.parse_args()
    for slug, row in json.loads(asked.models.read_text()).items() if asked.models else ():
        add_model(slug, **row)
    with tempfile.TemporaryDirectory(prefix="replicate-") as temporary:
        folder = asked.folder or Path(temporary)
        async with running(
            folder, port=asked.port, speed=asked.speed, token=asked.token, retention_s=asked.retention
        ) as emulator:
            for fault in asked.fault:
                emulator.faults.add(**fault)
            print(
                f"REPLICATE_BASE_URL={emulator.url} REPLICATE_API_TOKEN={emulator.token} "
                "retake up --provider replicate",
                flush=True,
            )
            print(
                f"Books: {emulator.url}/_emulator/books; faults: POST {emulator.url}/_emulator/faults (see --help)",
                flush=True,
            )
            await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
