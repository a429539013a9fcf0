"""An attempt at a job: what fences the writes of its worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """A claimed job. `job_id` is the id of its run or import; `number` counts from 1 and survives crashes.

    Every write of a worker names `token`: a worker that has lost its lease changes nothing.
    """

    job_id: str
    token: str
    number: int
    claim: Any = field(repr=False, default=None)  # the job queue's own
