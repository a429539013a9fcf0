"""Errors, classed by what the caller should do: try again, give up, or ask the user to change something."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

FREE_SPACE = "Free some space on the disk, then try again."


class RetakeError(Exception):
    """`code` is stable and machine-readable, `cause` says what happened, `recovery` what to do about it."""

    retryable = False

    def __init__(self, code: str, cause: str, recovery: str = "") -> None:
        super().__init__(cause)
        self.code = code
        self.cause = cause
        self.recovery = recovery

    def __str__(self) -> str:
        return f"{self.code}: {self.cause}"


class Retryable(RetakeError):
    """Transient: the same call may succeed later. `delay_s` is how long the other side asked us to wait."""

    retryable = True
    counts = True
    """Whether it is an attempt of the few that there are. One that had to wait for its turn was none."""

    def __init__(self, code: str, cause: str, recovery: str = "", *, delay_s: float | None = None) -> None:
        super().__init__(code, cause, recovery)
        self.delay_s = delay_s


class Permanent(RetakeError):
    """Trying again changes nothing; someone has to look."""


class UserError(RetakeError):
    """The user asked for something that cannot be done; `recovery` says what to change."""


class Fenced(RetakeError):
    """This worker lost its lease: another one owns the job now, so nothing of ours may be written."""

    def __init__(self, job_id: str) -> None:
        super().__init__("fenced", f"the lease of job {job_id} was lost", "Another worker continues it.")


@contextmanager
def disk_full_is_retryable() -> Iterator[None]:
    """Turns "no space left on device" within the block into Retryable `disk_full`: space may become free."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Retryable("disk_full", "The disk is full.", FREE_SPACE) from error
