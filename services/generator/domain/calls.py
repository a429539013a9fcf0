"""A paid call to a provider, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from shared.contracts.values import Cost

CANCEL_ORPHAN: Final = "cancel-orphan"
"""The kind of job that cancels a call whose run has ended. The job's id is the call's."""

Handle = Mapping[str, Any]
"""How the provider refers to a submitted call: an id, URLs. JSON; stored, and only read by the provider itself."""


class CallState(StrEnum):
    INTENDED = "intended"  # about to be submitted, or submitted by a worker that crashed before it could record it
    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # the request never arrived


OPEN: Final = frozenset({CallState.INTENDED, CallState.SUBMITTED})
ASKED_FOR: Final = timedelta(minutes=90)
"""For how long, from its intent, a provider is asked what it charges for a call that did not finish: until its own
deadline (half an hour), and as long as it keeps the call (an hour)."""


@dataclass(frozen=True)
class Call:
    """One row. `cost` is set once the provider has finished; `charge_unknown` if it ended and may be charged for."""

    call_id: str
    run_id: str
    position: int
    provider: str
    model: str
    state: CallState
    handle: Handle | None
    cost: Cost | None
    intended_at: datetime
    request: Mapping[str, Any] | None = None  # what `RemoteProvider.prepare` returned
    charge_unknown: bool = False
