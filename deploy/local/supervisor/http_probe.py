"""The one HTTP request of the supervisor: is a part on this machine ready? A client library would start too slowly."""

from __future__ import annotations

import asyncio
from typing import Final

TIMEOUT_S: Final = 5.0


async def get_status(host: str, port: int, path: str, timeout_s: float = TIMEOUT_S) -> int:
    """The status code of a GET; 0 if the answer was not HTTP. Raises OSError or TimeoutError."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            line = await reader.readline()
        finally:
            writer.close()
    words = line.split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
