"""Reads the Content Credentials of stored files, each once, in a confined process (`provenance_worker`)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Final

import structlog

from services.gateway.api.files import on_disk
from shared.contracts.messages import message, problem_text
from shared.contracts.values import ObjectRef
from shared.core.confinement import Files
from shared.core.errors import Permanent, Retryable
from shared.core.processes import ResourceLimits
from shared.media.c2pa_reading import Credentials
from shared.objects import ObjectStore
from shared.sandbox.jobs import run_job

TIMEOUT_S: Final = 120.0  # an hour of 2160p is hashed, from a slow disk
LIMITS: Final = ResourceLimits(memory=2 << 30, cpu_s=110, file_size=1 << 20)
MOST_KEPT: Final = 1000
_WORKER: Final = "services.gateway.api.provenance_worker"

log = structlog.get_logger(__name__)


class ProvenanceReader:
    """Reads one file at a time, since each is hashed whole; what it has read it keeps by the file's hash."""

    def __init__(self, work_dir: str) -> None:
        self._work_dir = work_dir
        self._turn = asyncio.Lock()
        self._known: OrderedDict[str, Credentials] = OrderedDict()

    async def read(self, file: ObjectRef, store: ObjectStore) -> Credentials:
        """Raises FileNotFoundError or Permanent where the file is gone, Retryable where it takes too long."""
        async with self._turn:
            if file.sha256 in self._known:
                self._known.move_to_end(file.sha256)
                return self._known[file.sha256]
            async with on_disk(file, store, self._work_dir) as path:
                found = await _read(path, file.content_type)
            self._known[file.sha256] = found
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
            return found


async def _read(path: Path, content_type: str) -> Credentials:
    job = {"path": str(path.absolute()), "content_type": content_type}
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        found = await run_job(_WORKER, job, timeout_s=TIMEOUT_S, limits=LIMITS, files=Files(read=(path,)))
    except Permanent as error:  # its reader cannot stand it
        log.warning("provenance.unreadable", cause=error.cause)
        return Credentials("invalid", problems=(message("problem.credentials_unreadable"),))
    except Retryable as error:
        raise Retryable("provenance_unread", *problem_text("provenance_unread")) from error
    return Credentials.from_json(found)
