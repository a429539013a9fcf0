"""`retake recover`: after the databases of single services were restored on a PostgreSQL of their own, brings these
services forward to where the others are (docs/operations/restore.md)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.processes import python_env
from deploy.local.supervisor.state import is_locked
from shared.contracts.topics import Service
from shared.core.errors import Permanent, UserError

FORWARD: Final = (Service.GENERATOR, Service.REVIEW, Service.COMPILER)
"""The services that can be brought forward; the gateway's database knows what no topic tells."""
NEEDS_CHANGE: Final = 2  # the exit code of `shared.recover` if trying again cannot help


def run(data: DataDir, since: datetime, services: Sequence[Service]) -> Iterator[str]:
    """The lines that each service prints. Raises UserError if the system runs, never ran, or keeps no topics; UserError
    or Permanent if a service cannot be brought forward."""
    if is_locked(data):
        raise UserError("still_running", f"Retake is running on {data.root}.", "Stop it with `retake down` first.")
    for service in services:
        environment = _environment(service, data)
        if environment.get(f"{service.upper()}_KAFKA_EMBEDDED") == "true":
            raise UserError(
                "topics_not_kept",
                "The embedded broker keeps its topics in memory: there is nothing to bring a service forward from.",
                "Restore the whole data directory; a system that runs with --kafka and --database can be recovered.",
            )
        command = [sys.executable, "-m", "shared.recover", service, "--since", since.isoformat()]
        done = subprocess.run(command, env=python_env(environment), capture_output=True, text=True, encoding="utf-8")
        if done.returncode == NEEDS_CHANGE:
            raise UserError("not_recovered", f"{service}: {_last(done.stderr)}")
        if done.returncode:
            raise Permanent("recover_failed", f"{service}: {_last(done.stderr)}", "Try again; it is harmless.")
        yield from done.stdout.splitlines()


def _environment(service: Service, data: DataDir) -> dict[str, str]:
    """The settings with which the service ran last."""
    try:
        return dict(json.loads(data.environment(service).read_text()))
    except (OSError, ValueError):
        raise UserError(
            "never_ran", f"No system has run on {data.root}.", "Name its data directory with --data."
        ) from None


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["it ended without a word"])[-1]
