"""Requests per window: of a user, or of an address where nobody is signed in. All replicas count together.

Each counts in its own memory, so that no request waits for it; once a second they add up what is new in one statement
and learn the sums. A caller who spreads over n replicas gets at most what n replicas take in a second beyond the quota.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from services.gateway.domain.rate_windows import WindowCount
from shared.core.clock import Clock
from shared.jobs.recurring import recurring

log = structlog.get_logger(__name__)

TRACKED: Final = 20_000  # callers remembered before the windows that are over are thrown out
SHARE_S: Final = 1.0


@dataclass(frozen=True)
class Standing:
    """Where a caller stands after this request. `remaining` below 0: it is one too many."""

    policy: str
    quota: int
    window_s: int
    remaining: int
    reset_s: int

    @property
    def exceeded(self) -> bool:
        return self.remaining < 0

    def headers(self) -> list[tuple[bytes, bytes]]:
        """draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it for how long."""
        policy = f'"{self.policy}";q={self.quota};w={self.window_s}'
        left = f'"{self.policy}";r={max(0, self.remaining)};t={self.reset_s}'
        return [(b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode())]


class Windows(Protocol):
    """Where the replicas add up."""

    async def add(self, used: Sequence[WindowCount], now: float, window_s: int) -> list[WindowCount]:
        """Adds to each caller's window, or begins one if its last is over; what each stands at now."""
        ...


@dataclass(frozen=True)
class _Window:
    """`told`: how much of the count the other replicas know of."""

    begun: float
    count: int
    told: int


class RateLimit:
    """Fixed windows, each begun by its caller's first request."""

    def __init__(self, quota: int, window_s: int, clock: Clock) -> None:
        self._quota = quota
        self._window_s = window_s
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, policy: str, caller: str) -> Standing:
        """Counts one request."""
        now = self._clock.now().timestamp()
        window = self._windows.get((policy, caller))
        if window is None or now - window.begun >= self._window_s:
            window = _Window(now, 0, 0)
        if len(self._windows) >= TRACKED:
            self._windows = {k: w for k, w in self._windows.items() if now - w.begun < self._window_s}
        self._windows[policy, caller] = window = replace(window, count=window.count + 1)
        return self._standing(policy, window, now)

    def peek(self, policy: str, caller: str) -> Standing:
        """Counts nothing."""
        now = self._clock.now().timestamp()
        return self._standing(policy, self._windows.get((policy, caller)) or _Window(now, 0, 0), now)

    def _standing(self, policy: str, window: _Window, now: float) -> Standing:
        reset_s = min(self._window_s, max(1, -int(-(window.begun + self._window_s - now) // 1)))
        return Standing(policy, self._quota, self._window_s, self._quota - window.count, reset_s)

    async def share(self, windows: Windows) -> None:
        """Tells the others what is new here, and learns what is new there (of callers who came here, too)."""
        now = self._clock.now().timestamp()
        # In one order everywhere: two replicas that add to the same rows never wait for each other in a circle.
        fresh = [
            WindowCount(*key, w.begun, w.count - w.told)
            for key, w in sorted(self._windows.items())
            if w.count > w.told and now - w.begun < self._window_s
        ]
        if not fresh:
            return
        totals = {u.key: u for u in await windows.add(fresh, now, self._window_s)}
        for sent in fresh:
            here, total = self._windows.get(sent.key), totals[sent.key]
            if here is not None and here.begun == sent.begun:  # else its window ended while we asked
                meanwhile = here.count - here.told - sent.count
                self._windows[sent.key] = _Window(total.begun, total.count + meanwhile, total.count)


def sharing(limit: RateLimit, windows: Windows, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Shares a limit for as long as the block runs. Without a database each replica counts for itself."""
    return recurring(lambda: limit.share(windows), name="rate-limits", every_s=SHARE_S, clock=clock)
