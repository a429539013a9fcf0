"""One system on one machine, from `up` to `down`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, Protocol

from deploy.local import credentials, external, leftovers, preflight
from deploy.local.assembly import SERVICES, Assembly, assemble
from deploy.local.credentials import Secrets
from deploy.local.identity import ProcessId
from deploy.local.logs import rotate, tail
from deploy.local.options import Options
from deploy.local.paths import DataDir
from deploy.local.state import PartStatus, Summary, SystemState, only_one
from deploy.local.supervisor import PartFailed, Supervisor
from deploy.local.tokens import TokenFile
from shared.core.clock import Clock, SystemClock
from shared.core.errors import Permanent

HOUSEKEEPING_S: Final = 60.0
FAILED_LOG_LINES: Final = 12

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Reporter(Protocol):
    def part(self, status: PartStatus) -> None:
        """A part changed its state."""
        ...

    def ready(self, summary: Summary) -> None: ...


Assemble = Callable[[Options, DataDir, Secrets, ExitStack], Assembly]


async def run(options: Options, reporter: Reporter, *, make: Assemble = assemble, clock: Clock | None = None) -> bool:
    """Start everything, report when it is ready, keep it running until SIGINT, SIGTERM or SIGHUP, stop everything.

    False if it was asked to stop before it was ready. Raises UserError or Permanent if it cannot be started; nothing
    is left running then.
    """
    data = DataDir.of(options.data)
    preflight.prepare(data)
    with only_one(data), ExitStack() as held:
        leftovers.sweep(data)
        secrets = credentials.load_or_make(data.secrets, SERVICES)
        await external.check(options)
        assembly = make(options, data, secrets, held)
        return await _System(data, secrets, assembly, reporter, clock or SystemClock()).live()


class _System:
    def __init__(self, data: DataDir, secrets: Secrets, assembly: Assembly, reporter: Reporter, clock: Clock) -> None:
        self._data = data
        self._reporter = reporter
        self._clock = clock
        self._token = TokenFile(data.token, secrets.jwt, clock)
        self._supervisor = Supervisor(assembly.parts, assembly.external, clock=clock, on_change=self._changed)
        self._stop = asyncio.Event()
        self._unwritten = False

    async def live(self) -> bool:
        began = self._clock.monotonic()
        try:
            with self._signals():
                async with self._supervisor:
                    if ready := await self._or_stop(self._supervisor.all_ready()):
                        self._reporter.ready(self._summary(self._clock.monotonic() - began))
                        await self._or_stop(self._look_after())
            return ready
        except PartFailed as e:
            raise self._explained(e) from e
        finally:
            self._data.state.unlink(missing_ok=True)

    async def _look_after(self) -> None:
        """What is to be done while everything runs; never returns."""
        watching = asyncio.ensure_future(self._supervisor.watch())
        try:
            while not watching.done():
                await asyncio.wait([watching], timeout=HOUSEKEEPING_S)
                with suppress(OSError):  # a full disk: what runs goes on, and the next minute tries again
                    self._token.refresh()
                    for log in self._data.logs.glob("*.log"):
                        rotate(log)
            watching.result()
        finally:
            watching.cancel()

    async def _or_stop(self, work: Awaitable[None]) -> bool:
        """Whether the work came to its end before we were asked to stop. Its error is raised here."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return working.done()
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        # What our starter ignores we ignore too: `nohup retake up` outlives its terminal.
        heard = [n for n in STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, self._asked_to_stop)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():  # somebody is in a hurry
            self._supervisor.hurry()
        self._stop.set()

    def _changed(self, status: PartStatus) -> None:
        try:
            self._state().write(self._data.state)
            self._unwritten = False
        except OSError as e:  # a full disk must not end what still runs; the next change tries again
            if not self._unwritten:
                print(f"{self._data.state} could not be written: {e}", file=sys.stderr)
            self._unwritten = True
        self._reporter.part(status)

    def _state(self) -> SystemState:
        me = ProcessId.of(os.getpid())
        assert me
        return SystemState(me, self._address("gateway"), self._address("broker"), str(self._data.root),
                           self._supervisor.board.parts)  # fmt: skip

    def _address(self, part: str) -> str | None:
        """Where a part answers or last did; None if there is no such part, or it never has."""
        with suppress(KeyError):
            return self._supervisor.board[part].address
        return None

    def _summary(self, seconds: float) -> Summary:
        gateway, kafka = self._address("gateway"), self._address("broker")
        token = self._token.refresh()
        return Summary(gateway or "", token, kafka or "", str(self._data.root), str(self._data.token), seconds)

    def _explained(self, e: PartFailed) -> Permanent:
        words = "\n".join(tail(self._data.log(e.part), FAILED_LOG_LINES))
        log = self._data.log(e.part)
        return Permanent(e.code, f"{e.cause}. The end of {log}:\n{words}" if words else e.cause, f"See {log}.")
