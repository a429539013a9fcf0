"""The one HTTP request of the supervisor: is a part on this machine ready? A client library would start too slowly."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

TIMEOUT_S: Final = 5.0
MAX_ANSWER: Final = 65_536
PATH: Final = "/health/ready"


@dataclass(frozen=True)
class Readiness:
    """`status`: of the HTTP answer, 0 if it was none. `problems`: the failing checks as `name: problem; …`, as far as
    the answer has them."""

    status: int
    problems: str = ""


async def readiness(host: str, port: int, timeout_s: float = TIMEOUT_S) -> Readiness:
    """Raises OSError or TimeoutError."""
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while len(answer) < MAX_ANSWER and (chunk := await reader.read(MAX_ANSWER)):
                answer += chunk
        finally:
            writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[1].isdigit():
        return Readiness(0)
    return Readiness(int(words[1]), _problems(body))


def _problems(body: bytes) -> str:
    try:
        checks = json.loads(body)["checks"]
        return "; ".join(f"{name}: {problem}" for name, problem in checks.items() if problem != "ok")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
