"""How many requests callers have sent in their current rate windows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WindowCount:
    """Requests in the window that began at `begun` (Unix time). `caller`: a user id for the policy `user`, an address
    for the policy `address`."""

    policy: str
    caller: str
    begun: float
    count: int

    @property
    def key(self) -> tuple[str, str]:
        return self.policy, self.caller
