"""Reads a client's YAML in a child process with little memory and time, two at once: the event loop never waits."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any, Final

import structlog

from services.gateway.api.problems import invalid
from services.gateway.api.yaml_worker import REFUSED
from shared.core.processes import ResourceLimits, bare_environment, child, read_tail

log = structlog.get_logger(__name__)

AT_ONCE: Final = 2
TIMEOUT_S: Final = 10.0  # a megabyte takes 0.3 s
LIMITS: Final = ResourceLimits(memory=512 << 20, cpu_s=5, file_size=0, open_files=64)
POINTER: Final = "/yaml"

_WORKER: Final = "services.gateway.api.yaml_worker"
_slots = asyncio.Semaphore(AT_ONCE)


async def read_yaml(text: str) -> dict[str, Any]:
    """The mapping that the text holds: plain YAML, without tags, anchors and aliases (a few bytes of them can stand for
    gigabytes). Raises ProblemError invalid."""
    async with _slots:
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                child(
                    [sys.executable, "-m", _WORKER], stdin=PIPE, stdout=PIPE, env=bare_environment(), limits=LIMITS
                ) as process,
            ):
                code, output, said = await _exchange(process, text.encode(errors="replace"))
        except TimeoutError:
            raise invalid((POINTER, f"takes longer than {TIMEOUT_S:.0f} s to read; send it in parts")) from None
    if code not in (0, REFUSED) or not output:
        log.warning("yaml.reader_failed", exit_code=code, said=said.strip()[-300:])
        raise invalid((POINTER, "cannot be read within the memory and time that there is for it; send it in parts"))
    found = json.loads(output)
    if code == REFUSED:
        raise invalid((POINTER, found["problem"]))
    if not isinstance(found, dict):
        raise invalid((POINTER, "must be a mapping"))
    return found


async def _exchange(process: Process, body: bytes) -> tuple[int, bytes, str]:
    """The child's exit code, its output and the end of what it said."""
    assert process.stdin is not None
    assert process.stdout is not None
    _, output, said = await asyncio.gather(_send(process.stdin, body), process.stdout.read(), read_tail(process.stderr))
    return await process.wait(), output, said


async def _send(pipe: asyncio.StreamWriter, body: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the child has ended: its exit code says why
        pipe.write(body)
        await pipe.drain()
    pipe.close()
