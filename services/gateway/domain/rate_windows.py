"""What callers have used of their quotas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WindowCount:
    """Of the window that began at `begun` (Unix time). `caller`: a user of the policy user, an address of address."""

    policy: str
    caller: str
    begun: float
    count: int

    @property
    def key(self) -> tuple[str, str]:
        return self.policy, self.caller
