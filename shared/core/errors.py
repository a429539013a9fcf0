"""Errors, classified by what the caller should do: retry, give up, or ask the user to change something."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

FREE_SPACE = "Free some space on the disk, then try again."


class RetakeError(Exception):
    """`code` is stable and machine-readable, `cause` says what happened, and `recovery` what to do about it."""

    retryable = False

    def __init__(self, code: str, cause: str, recovery: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.recovery = recovery

    def __str__(self) -> str:
        return f"{self.code}: {self.cause}"


class Retryable(RetakeError):
    """Transient: the same call may succeed later. `delay_s` is the delay in seconds that the other side asked for."""

    retryable = True
    counts = True
    """Whether the failure counts against the maximum number of attempts. Waiting for a rate limit does not."""

    def __init__(self, code: str, cause: str, recovery: str = "", *, delay_s: float | None = None) -> None:
        super().__init__(code, cause, recovery)
        self.delay_s = delay_s


class DependencyMissing(Retryable):
    """What a service needs to start is not there, or refuses it. `dependency` is the name of the check of
    /health/ready that tells so."""

    def __init__(self, dependency: str, code: str, cause: str, recovery: str = "") -> None:
        super().__init__(code, cause, recovery)
        self.dependency = dependency


class Permanent(RetakeError):
    """Retrying cannot help; someone has to investigate."""


class UserError(RetakeError):
    """The user asked for something impossible; `recovery` says what to change."""


class Fenced(RetakeError):
    """This worker lost its lease and another one owns the job now, so this one must not write anything."""

    def __init__(self, job_id: str) -> None:
        super().__init__("fenced", f"The lease of job {job_id} was lost.", "Another worker continues it.")


@contextmanager
def disk_full_is_retryable() -> Iterator[None]:
    """Turns "no space left on device" within the block into Retryable `disk_full`: space may become free."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Retryable("disk_full", "The disk is full.", FREE_SPACE) from error
