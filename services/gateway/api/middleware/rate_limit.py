"""Requests per window: of a user, or of an address where nobody is signed in. All replicas count together.

Each counts in its own memory, so that no request waits for it; once a second they add up what is new in one statement
and learn the sums. A caller who spreads over n replicas gets at most what n replicas take in a second beyond the quota.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol

import structlog

from services.gateway.domain.rate_windows import WindowCount
from shared.core.clock import Clock
from shared.jobs.recurring import recurring

log = structlog.get_logger(__name__)

TRACKED: Final = 100_000
"""Callers remembered at most (30 MB). Beyond them, who began first is forgotten here and counts on in the database."""
FORGOTTEN_AT_ONCE: Final = 2
"""Windows that are over and are dropped per request: more than one, so that there is never a backlog."""
SHARE_S: Final = 1.0
IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that name a network (RFC 4291, 2.5.1): whoever has it has every address in it."""


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
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()
        """In the order in which they were added; a plain dict gets slow when its first entries go. A window is over
        `window_s` after that at the latest."""
        self._untold: set[tuple[str, str]] = set()
        """Keys of windows whose count the other replicas do not know yet."""

    def take(self, policy: str, caller: str, count: int = 1) -> Standing:
        """Counts a request, or one that is worth several."""
        now, key = self._clock.now().timestamp(), (policy, caller)
        window = self._windows.get(key)
        if window is None or now - window.begun >= self._window_s:
            self._windows.pop(key, None)  # to be added at the end
            self._forget(now)
            window = _Window(now, 0, 0)
        self._windows[key] = window = replace(window, count=window.count + count)
        self._untold.add(key)
        return self._standing(policy, window, now)

    def _forget(self, now: float) -> None:
        """Drops the first windows that are over; one that is not, if there are too many. Takes constant time."""
        for _ in range(FORGOTTEN_AT_ONCE):
            key = next(iter(self._windows), None)
            if key is None or (now - self._windows[key].begun < self._window_s and len(self._windows) < TRACKED):
                return
            del self._windows[key]
            self._untold.discard(key)

    def _standing(self, policy: str, window: _Window, now: float) -> Standing:
        reset_s = min(self._window_s, max(1, -int(-(window.begun + self._window_s - now) // 1)))
        return Standing(policy, self._quota, self._window_s, self._quota - window.count, reset_s)

    async def share(self, windows: Windows) -> None:
        """Tells the others what is new here, and learns what is new there (of callers who came here, too)."""
        now = self._clock.now().timestamp()
        # In one order everywhere: two replicas that add to the same rows never wait for each other in a circle.
        untold, self._untold = sorted(self._untold), set()
        fresh = [
            WindowCount(*key, w.begun, w.count - w.told)
            for key in untold
            if (w := self._windows.get(key)) and w.count > w.told and now - w.begun < self._window_s
        ]
        if not fresh:
            return
        try:
            totals = {u.key: u for u in await windows.add(fresh, now, self._window_s)}
        except BaseException:
            self._untold.update(u.key for u in fresh)  # to be told the next time
            raise
        for sent in fresh:
            here, total = self._windows.get(sent.key), totals[sent.key]
            if here is not None and here.begun == sent.begun:  # else its window ended while we asked
                meanwhile = here.count - here.told - sent.count
                self._windows[sent.key] = _Window(total.begun, total.count + meanwhile, total.count)


def network_of(address: str) -> str:
    """What an address counts as: an IPv4 address itself, an IPv6 address its /64 network; other names as they are."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((ip, IPV6_PREFIX), strict=False))


def sharing(limit: RateLimit, windows: Windows, clock: Clock) -> AbstractAsyncContextManager[None]:
    """Shares a limit for as long as the block runs. Without a database each replica counts for itself."""
    return recurring(lambda: limit.share(windows), name="rate-limits", every_s=SHARE_S, clock=clock)
