"""Requests per window: of a user, or of an address where nobody is signed in. Counted in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.clock import Clock

TRACKED: Final = 20_000  # callers remembered before the windows that are over are thrown out


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


class RateLimit:
    """Fixed windows, each begun by its caller's first request."""

    def __init__(self, quota: int, window_s: int, clock: Clock) -> None:
        self._quota = quota
        self._window_s = window_s
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def take(self, policy: str, caller: str) -> Standing:
        """Counts one request."""
        now = self._clock.monotonic()
        begun, count = self._windows.get((policy, caller), (now, 0))
        if now - begun >= self._window_s:
            begun, count = now, 0
        if len(self._windows) >= TRACKED:
            self._windows = {k: w for k, w in self._windows.items() if now - w[0] < self._window_s}
        self._windows[policy, caller] = (begun, count + 1)
        reset_s = max(1, -int(-(begun + self._window_s - now) // 1))
        return Standing(policy, self._quota, self._window_s, self._quota - count - 1, reset_s)
