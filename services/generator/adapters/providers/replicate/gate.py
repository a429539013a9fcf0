"""One account, one gate: what Replicate says of the account holds for every call, not for the one that heard it."""

from __future__ import annotations

import re
from typing import Final

from shared.clock import Clock
from shared.errors import RetakeError

USUAL_S: Final = 0.1  # 600 creates a minute (Replicate's documentation)
SLOW_FOR_S: Final = 300.0
WAIT_MOST_S: Final = 600.0
_REDUCED: Final = re.compile(r"reduced to (\d+) requests? per minute")


class Gate:
    """Lets creates through one by one, slower after a throttle, none while the account is halted (401, 402)."""

    def __init__(self, clock: Clock, pause_s: float) -> None:
        self._clock = clock
        self._pause_s = pause_s
        self._next = clock.monotonic()
        self._interval = USUAL_S
        self._slow_until = 0.0
        self._halted: tuple[RetakeError, float] | None = None

    def check(self) -> None:
        """Raises what the account was halted for, until the pause is over; then one call may try."""
        if self._halted:
            error, until = self._halted
            if self._clock.monotonic() < until:
                raise error
            self._halted = (error, self._clock.monotonic() + self._pause_s)  # whoever comes now tries for all

    async def turn(self) -> None:
        """Waits for this call's turn. Raises what the account is halted for."""
        now = self._clock.monotonic()
        if now > self._slow_until:
            self._interval = USUAL_S
        at = max(now, self._next)
        self._next = at + self._interval
        if at > now:
            await self._clock.sleep(min(at - now, WAIT_MOST_S))
        self.check()

    def halt(self, error: RetakeError) -> None:
        self._halted = (error, self._clock.monotonic() + self._pause_s)

    def throttle(self, detail: str, delay_s: float) -> None:
        now = self._clock.monotonic()
        self._next = max(self._next, now + delay_s)
        if found := _REDUCED.search(detail):
            self._interval, self._slow_until = 60.0 / max(1, int(found.group(1))), now + SLOW_FOR_S

    def passed(self) -> None:
        """Replicate took a call: the account is in order."""
        self._halted = None
