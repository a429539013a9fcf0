"""Signing never fails a film: it is retried, and then the film stays unsigned with a warning."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.compiler.commands.signing import MOST_ATTEMPTS, sign_film
from shared.contracts.events.gateway import CompileRequested
from shared.contracts.values import ObjectRef
from shared.core.errors import Permanent, RetakeError, Retryable
from tests.support import events


@dataclass
class Job:
    stored: ObjectRef | None = field(default_factory=events.object_ref)
    ended: list[str] = field(default_factory=list)
    request: CompileRequested = field(default_factory=events.compile_requested)

    async def film(self) -> ObjectRef | None:
        return self.stored

    async def signed(self, film: ObjectRef) -> None:
        self.ended.append("signed")

    async def unsigned(self, warning: str) -> None:
        self.ended.append(warning)

    async def retry(self, delay_s: float) -> None:
        self.ended.append(f"retry in {delay_s:g} s")

    async def drop(self) -> None:
        self.ended.append("dropped")


@dataclass
class Signer:
    error: RetakeError | None = None

    async def signed(self, request: CompileRequested, film: ObjectRef) -> ObjectRef:
        if self.error:
            raise self.error
        return film


async def test_what_becomes_of_a_film() -> None:
    failing = Signer(Retryable("signing_failed", "The disk is full."))
    hopeless = Signer(Permanent("object_missing", "It is gone."))
    for stored, signer, attempt, expected in [
        (True, Signer(), 1, "signed"),
        (False, Signer(), 1, "dropped"),
        (True, failing, 1, "retry in 2 s"),
        (True, failing, MOST_ATTEMPTS - 1, "retry in 60 s"),
        (True, failing, MOST_ATTEMPTS, "no Content Credentials: the disk is full. Compile again"),
        (True, hopeless, 1, "no Content Credentials: it is gone. Compile again"),
        (True, Signer(), MOST_ATTEMPTS + 1, "the compiler stopped 4 times"),  # it takes the process along each time
    ]:
        job = Job() if stored else Job(stored=None)
        await sign_film(job, signer, attempt=attempt)
        assert len(job.ended) == 1 and expected in job.ended[0]
