"""`python -m tests.support.replicate --port 9900`, then point Retake at it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path

from tests.support.replicate.server import TOKEN, running


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.replicate", description=__doc__)
    parser.add_argument("--port", type=int, default=9900)
    parser.add_argument("--speed", type=float, default=1.0, help="10: ten times as fast as Replicate")
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--folder", type=Path, help="where outputs are kept; default: a temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="replicate-") as temporary:
        folder = asked.folder or Path(temporary)
        async with running(folder, port=asked.port, speed=asked.speed, token=asked.token) as emulator:
            print(f"REPLICATE_BASE_URL={emulator.url} REPLICATE_API_TOKEN={emulator.token} "
                  "retake up --provider replicate", flush=True)
            print(f"Books: {emulator.url}/_emulator/books; faults: POST {emulator.url}/_emulator/faults "
                  '{"on": "create", "do": "status", "status": 429, "headers": {"retry-after": "2"}}', flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
