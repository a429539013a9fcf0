"""Retries: tenacity with exponential back-off, jitter, and the server's Retry-After.

`RetryPolicy.retrying` builds the loop; the sleep and the random draw are the caller's, so that tests need no time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from client.errors import ProblemError

TRANSIENT_STATUSES = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Timing:
    """`sleep` takes seconds; `draw` returns a number from 0 to 1."""

    sleep: Callable[[float], Awaitable[None]]
    draw: Callable[[], float]


@dataclass(frozen=True)
class RetryPolicy:
    """How often a request is repeated, and how long the pauses are. Times in seconds."""

    attempts: int = 5
    first_delay_s: float = 0.25
    longest_delay_s: float = 8.0
    longest_wait_s: float = 60.0  # a longer Retry-After is reported instead of waited for

    def backoff_s(self, attempt: int, draw: Callable[[], float]) -> float:
        """The pause after the attempt of this number (from 1): exponential, of which half is jitter, so that clients
        that were refused together do not return together."""
        return min(self.longest_delay_s, self.first_delay_s * 2.0 ** (attempt - 1)) * (0.5 + draw() / 2)

    def retrying(
        self,
        timing: Timing,
        is_transient: Callable[[BaseException], bool],
        *,
        attempt_of: Callable[[RetryCallState], int] = lambda state: state.attempt_number,
    ) -> AsyncRetrying:
        """A loop that repeats transient errors and raises the last one. A Retry-After comes before the back-off.

        `attempt_of` gives the number of the failed attempt where that is not the number of calls.
        """

        def wait(state: RetryCallState) -> float:
            return retry_after_s(state) + self.backoff_s(attempt_of(state), timing.draw)

        def stop(state: RetryCallState) -> bool:
            return attempt_of(state) >= self.attempts or retry_after_s(state) > self.longest_wait_s

        return AsyncRetrying(
            sleep=timing.sleep, wait=wait, stop=stop, retry=retry_if_exception(is_transient), reraise=True
        )


def retry_after_s(state: RetryCallState) -> float:
    """The Retry-After of the last attempt's refusal, in seconds; 0 without one."""
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after_s or 0.0) if isinstance(error, ProblemError) else 0.0
