"""Runs heavy or risky work in child processes: a job as JSON on stdin, a result as JSON (or raw frames) on stdout.

A child that reports an expected error exits with code 3 and writes it as JSON to the last line of stderr.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.contracts.messages import message
from shared.core.errors import Permanent, RetakeError, Retryable
from shared.core.processes import ResourceLimits, bare_environment, child, read_tail

EXPECTED = 3
UNREAD = 4  # the process that reads our output has gone, and reports the reason itself
_ROOT = Path(__file__).parents[3]

Job = dict[str, Any]


def serve(work: Callable[[Job], Job | None]) -> None:
    """The main function of a child: reads the job, runs `work` and writes the result."""
    try:
        result = work(json.load(sys.stdin.buffer))
        if result is not None:
            sys.stdout.write(json.dumps(result))
            sys.stdout.flush()
    except RetakeError as error:
        problem = {"retryable": error.retryable, "code": error.code, "cause": error.cause, "recovery": error.recovery}
        sys.stderr.write("\n" + json.dumps(problem))
        sys.exit(EXPECTED)
    except BrokenPipeError:
        os._exit(UNREAD)


def encode(job: Job) -> bytes:
    return json.dumps(job).encode()


def command(module: str) -> list[str]:
    """The command line of the worker in `module`, a dotted name."""
    return [sys.executable, "-m", module]


def environment() -> dict[str, str]:
    """Without secrets; with this source tree on the path and one thread per library."""
    path = os.pathsep.join(p for p in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if p)
    return {**bare_environment(), "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


async def call(module: str, job: Job, *, timeout_s: float, limits: ResourceLimits | None = None) -> Job:
    """Runs one job in a child and returns its result. Raises the child's own error, or Retryable after the timeout."""
    try:
        async with (
            asyncio.timeout(timeout_s),
            child(command(module), stdin=PIPE, stdout=PIPE, env=environment(), limits=limits) as process,
        ):
            return await _exchange(process, job)
    except TimeoutError:
        cause = message("problem.worker_timeout", module=module, seconds=f"{timeout_s:g}")
        raise Retryable("worker_timeout", cause) from None


async def _exchange(process: Process, job: Job) -> Job:
    assert process.stdout is not None
    await send(process, job)
    output, errors = await asyncio.gather(process.stdout.read(), read_tail(process.stderr))
    if code := await process.wait():
        raise failure(code, errors)
    result: Job = json.loads(output) if output else {}
    return result


async def send(process: Process, job: Job) -> None:
    """Writes the job. If the child has exited already, its exit status tells why."""
    assert process.stdin is not None
    try:
        process.stdin.write(encode(job))
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass


def failure(code: int, errors: str) -> RetakeError:
    """The error of a child that exited with `code` and wrote `errors` to stderr."""
    last = errors.strip().splitlines()[-1] if errors.strip() else ""
    if code == EXPECTED:
        problem = json.loads(last)
        kind = Retryable if problem["retryable"] else Permanent
        return kind(problem["code"], problem["cause"], problem["recovery"])
    if code < 0:
        return Retryable("worker_killed", message("problem.worker_killed", signal=-code))
    return Permanent("worker_failed", last or message("problem.worker_failed", status=code))
