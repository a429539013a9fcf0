"""The port of providers: what they are asked for, what they return, and how they fail.

A provider that works on this machine implements `Maker`. One that is elsewhere and costs money implements
`RemoteProvider`: a request is submitted, polled until it ends, then its file is fetched. The worker that submits may
crash at any moment, so a call is a row before it is a request: `call_id` is sent along with it, and `find_orphan` uses
it to find out whether the request arrived.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from pathlib import Path
from typing import Any, Protocol

from services.generator.domain.calls import Call, Handle
from services.generator.domain.frames import Frame
from services.generator.domain.runs import Lane
from services.generator.domain.tolerances import ExpectedOutput
from shared.contracts.catalogue import Catalogue, Model
from shared.contracts.frame_rates import Rate, rate_number
from shared.contracts.pricing import Quote, quote
from shared.contracts.values import AssetKind, Cost
from shared.core.errors import Permanent, RetakeError, Retryable

LaneOf = Callable[[AssetKind], Lane]
"""The lane in which a provider's work on an asset of this kind is queued."""

OnProgress = Callable[[float], None]
"""Receives how much of a step is done, from 0 to 1. Never blocks."""


@dataclass(frozen=True)
class Reference:
    """A character's picture, in a file that other runs use as well. `sha256` is of its content."""

    sha256: str
    path: Path


@dataclass(frozen=True)
class CandidateRequest:
    """What a provider is asked for: one candidate of a run."""

    run_id: str
    position: int
    attempt: int
    kind: AssetKind
    model: Model
    directions: str  # as the user wrote them
    prompt: str  # the directions with the project's style and characters
    settings: Mapping[str, Any]
    seed: int | None
    label: str
    frame: Frame | None = None
    fps: Rate | None = None
    duration_s: float | None = None
    starting_image: Path | None = None
    references: tuple[Reference, ...] = ()
    guessed_language: str | None = None
    """Of a narration whose settings name no language: a BCP 47 tag."""

    @property
    def quote(self) -> Quote | None:
        return quote(self.model, self.settings, duration_s=self.duration_s, directions=self.directions)

    @property
    def expected(self) -> ExpectedOutput:
        has_sound = bool(self.model.makes_sound and self.settings.get("generate_audio"))
        fps = self.settings.get("fps") or (None if self.fps is None else rate_number(self.fps))
        return ExpectedOutput(self.frame, self.duration_s, has_sound, fps)


@dataclass(frozen=True)
class CandidateFile:
    """A file in the work folder, not inspected yet.

    `info` holds the provider's own facts about it; `expected` replaces the request's expectations where the provider
    asked the model for something else.
    """

    path: Path
    content_type: str
    cost: Cost
    info: Mapping[str, Any] = field(default_factory=dict)
    expected: ExpectedOutput | None = None


class Maker(Protocol):
    """A provider as the generator uses it."""

    async def make(self, request: CandidateRequest, work: Path, on_progress: OnProgress) -> CandidateFile:
        """Raises Retryable, Permanent or UserError; stops when it is cancelled."""
        ...


@dataclass(frozen=True)
class CallRunning:
    """`share` is from 0 to 1 if the provider reports it; `poll_after_s` is how long to wait before the next poll."""

    share: float | None = None
    poll_after_s: float = 2.0


@dataclass(frozen=True)
class CallSucceeded:
    """`output` is the provider's own, for `fetch`."""

    output: Any
    cost: Cost


@dataclass(frozen=True)
class CallFailed:
    """The call failed or was cancelled; `cost` is what is charged nevertheless, None if the provider may charge but
    does not say what. Such a call counts by its price under the spend cap, and is polled again for an hour."""

    error: RetakeError
    cost: Cost | None
    cancelled: bool = False


class CancelOutcome(StrEnum):
    ACCEPTED = "accepted"
    TOO_LATE = "too_late"
    UNKNOWN = "unknown"


class SubmissionUnknown(Retryable):
    """The submission may have arrived (a timeout, a dropped connection, a 5xx): it is never repeated blindly."""


class ProviderThrottled(Retryable):
    """The account's rate limit: no replica sends a request for `delay_s` seconds. `per_minute` is the slower rate that
    the provider imposes for a while."""

    counts = False

    def __init__(self, code: str, cause: str, *, delay_s: float, per_minute: float | None = None) -> None:
        super().__init__(code, cause, delay_s=delay_s)
        self.per_minute = per_minute


class ProviderUnreachable(Retryable):
    """A submitted call could not be polled or fetched just now; it continues, and is paid for, all the same. It uses up
    no attempt of the run: the run's age and the provider's own deadline bound it."""

    counts = False


class ProviderHalted(Permanent):
    """The account is refused altogether (its token, its credit): nothing is submitted for `pause_s` seconds, then one
    call probes for all. None: until the service is restarted. A person may try again at any time."""

    retryable = True

    def __init__(self, code: str, cause: str, recovery: str, *, pause_s: float | None) -> None:
        super().__init__(code, cause, recovery)
        self.pause_s = pause_s


class ProviderPaused(Permanent):
    """Another call raised ProviderHalted, so this one was not sent."""

    retryable = True


class RemoteProvider(Protocol):
    """A provider that is elsewhere and costs money. It raises ProviderThrottled, ProviderHalted, SubmissionUnknown,
    Retryable, Permanent or UserError, and reports what a call cost. Limits, circuit breaker, spend caps and paying once
    are not its business."""

    async def prepare(self, request: CandidateRequest) -> Mapping[str, Any]:
        """What the call can be recognised by (JSON), stored with the intent. Sends nothing that costs.

        Raises UserError for what the model does not accept.
        """
        ...

    async def submit(self, call_id: str, request: CandidateRequest) -> Handle:
        """Raises SubmissionUnknown if it may have arrived; any other error means that it did not."""
        ...

    def handle_of(self, provider_ref: str, prepared: Mapping[str, Any]) -> Handle:
        """The handle of a call that is known by its id at the provider, as `submit` would have returned it. `prepared`:
        what `prepare` returns for it."""
        ...

    async def poll(self, handle: Handle) -> CallRunning | CallSucceeded | CallFailed: ...

    async def fetch(self, request: CandidateRequest, result: CallSucceeded, work: Path) -> CandidateFile: ...

    async def cancel(self, handle: Handle) -> CancelOutcome: ...

    async def find_orphan(self, call: Call, others: Sequence[Call]) -> Handle | None:
        """The handle of a call whose answer was lost; None if it certainly never arrived. Raises Retryable while that
        is unknown.

        `others`: the model's other calls of about the same time. A prediction of theirs is not this call's, and one
        that is still `intended` may be waiting for its own answer.
        """
        ...


class WebhookResult(Enum):
    ACCEPTED = auto()
    FORGED = auto()  # the provider did not sign it
    UNREADABLE = auto()


WebhookReceiver = Callable[[Mapping[str, str], bytes], WebhookResult]
"""Takes the headers and the raw body of a webhook."""


@dataclass(frozen=True)
class Provider:
    """A row of the registry: a local `maker`, or a `remote` that the generator pays only once."""

    lane: LaneOf
    maker: Maker | None = None
    remote: RemoteProvider | None = None
    compare: Callable[[Catalogue], Awaitable[object]] | None = None  # logs where our catalogue and the provider differ
    webhook: WebhookReceiver | None = None  # of POST /webhooks/NAME
