"""The port of providers that are elsewhere and cost money: what one file per provider implements.

An order is submitted, looked at until it rests, then fetched. Whoever submits may die at any moment, so a call is a
row before it is a request: `call_id` goes along with it, and `find_orphan` tells by it whether the request arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from services.generator.commands.ports import Made, Order
from shared.contracts.values import Cost, Problem
from shared.core.errors import Permanent, RetakeError, Retryable

Handle = Mapping[str, Any]
"""The provider's own: an id, addresses. JSON; stored, never looked into by anyone else."""


ABANDON: Final = "abandon"
"""The kind of job that stops a call whose run has ended. The job's id is the call's."""


class CallState(StrEnum):
    INTENDED = "intended"  # about to be submitted, or submitted by a worker that died
    SUBMITTED = "submitted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # it never arrived


@dataclass(frozen=True)
class Call:
    """One row. `cost` is known once the provider has finished."""

    call_id: str
    run_id: str
    position: int
    provider: str
    model: str
    state: CallState
    handle: Handle | None
    cost: Cost | None
    intended_at: datetime
    request: Mapping[str, Any] | None = None  # what `prepare` answered


@dataclass(frozen=True)
class Running:
    """`share` from 0 to 1 if the provider tells, `again_s` until the next look."""

    share: float | None = None
    again_s: float = 2.0


@dataclass(frozen=True)
class Succeeded:
    """`output` is the provider's own, for `fetch`."""

    output: Any
    cost: Cost


@dataclass(frozen=True)
class Stopped:
    """It failed or was cancelled; `cost` is what is charged all the same."""

    error: RetakeError
    cost: Cost
    cancelled: bool = False


class Cancelled(StrEnum):
    ACCEPTED = "accepted"
    TOO_LATE = "too_late"
    UNKNOWN = "unknown"


class Unsure(Retryable):
    """The submission may have arrived (a timeout, a dropped connection, a 5xx): it is never sent again blindly."""


class Throttled(Retryable):
    """The account's pace: nobody asks for `delay_s`. `per_minute`: the slower pace that it is held to for a while."""

    counts = False

    def __init__(self, code: str, cause: str, *, delay_s: float, per_minute: float | None = None) -> None:
        super().__init__(code, cause, delay_s=delay_s)
        self.per_minute = per_minute


class Unreached(Retryable):
    """What was submitted could not be looked at or fetched just now: it goes on, and is paid for, whether or not we
    see it. No attempt of the run is used up; the run's age and the provider's own deadline bound it."""

    counts = False


class Halted(Permanent):
    """The account is refused whatever it asks (its token, its credit): nobody asks for `pause_s`, then one tries for
    all; None: until the service is started again. A person may try again, too."""

    retryable = True

    def __init__(self, code: str, cause: str, recovery: str, *, pause_s: float | None) -> None:
        super().__init__(code, cause, recovery)
        self.pause_s = pause_s


class Paused(Permanent):
    """Another call heard Halted: this one was not even sent."""

    retryable = True


class RemoteProvider(Protocol):
    """What one file per provider implements. Limits, breaker, spending and paying once are none of its business: it
    raises Throttled, Halted, Unsure, Retryable, Permanent or UserError, and says what a call cost."""

    async def prepare(self, order: Order) -> Mapping[str, Any]:
        """What the call will be recognised by (JSON), kept with the intent. Nothing is sent that costs.

        Raises UserError for what the model does not take.
        """
        ...

    async def submit(self, call_id: str, order: Order) -> Handle:
        """Raises Unsure if it may have arrived; any other error means that it did not."""
        ...

    async def look(self, handle: Handle) -> Running | Succeeded | Stopped: ...

    async def fetch(self, order: Order, done: Succeeded, work: Path) -> Made: ...

    async def cancel(self, handle: Handle) -> Cancelled: ...

    async def find_orphan(self, call: Call, beside: Sequence[Call]) -> Handle | None:
        """The call's handle, if it arrived; None if it surely did not. Raises Retryable while that is unknown.

        `beside`: the model's other calls of about that time. What is theirs is not this one's, and one that is still
        `intended` may be waiting for its own answer.
        """
        ...


class Turnstile(Protocol):
    """What a provider lets through, shared by all replicas. A job passes its gates when it is claimed; what is left
    to do here is the breaker, and the turn of every further call of the same attempt."""

    async def enter(self, order: Order) -> float:
        """Seconds until it is this call's turn. Raises Paused while the provider refuses everybody."""
        ...

    async def throttled(self, provider: str, error: Throttled) -> None: ...

    async def heard(self, provider: str) -> None:
        """It refused one call, or nobody knows, but not the account: what it was halted for is not known to last."""
        ...

    async def halted(self, provider: str, error: Halted) -> None: ...


class Calls(Protocol):
    """The rows of calls, each write a transaction of its own."""

    async def open(self, run_id: str, position: int) -> Call | None:
        """The one that is not over, if any."""
        ...

    async def intend(self, order: Order, request: Mapping[str, Any]) -> Call:
        """Reserves what the call may cost, in the same transaction. Raises Fenced if the run is no longer this
        attempt's, UserError if the project may not spend that much."""
        ...

    async def submitted(self, call: Call, handle: Handle) -> Call:
        """The provider took it: whatever it was halted for is over."""
        ...

    async def beside(self, call: Call) -> list[Call]:
        """The other calls of its model around its time, whatever became of them."""
        ...

    async def adopt(self, call: Call, handle: Handle) -> Call | None:
        """As `submitted`, for what was found; None if another call holds the prediction (by the handle's `id`)."""
        ...

    async def charge(self, call: Call, cost: Cost) -> None:
        """What it cost, counted once however often this is said, in place of what was reserved. The call stays open
        until its candidate is stored. Told to whoever saw the run end before."""
        ...

    async def end(self, call: Call, state: CallState, problem: Problem | None = None) -> None: ...

    async def load(self, call_id: str) -> Call | None: ...
