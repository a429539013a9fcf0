"""One system on one machine, from start to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from deploy.local.parts import external
from deploy.local.parts.assembly import SERVICES, Assembly, assemble
from deploy.local.supervisor import credentials, orphans, preflight
from deploy.local.supervisor.credentials import Secrets
from deploy.local.supervisor.data_dir import DataDir
from deploy.local.supervisor.logs import rotate, tail
from deploy.local.supervisor.options import Options
from deploy.local.supervisor.process_id import ProcessId
from deploy.local.supervisor.report import Reporter
from deploy.local.supervisor.state import PartStatus, Summary, SystemState, lock
from deploy.local.supervisor.supervisor import PartFailed, Supervisor
from deploy.local.supervisor.token_file import TokenFile
from shared.core.clock import Clock, SystemClock
from shared.core.errors import Permanent

MAINTENANCE_S: Final = 60.0
FAILED_LOG_LINES: Final = 12

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


Assemble = Callable[[Options, DataDir, Secrets, ExitStack], Assembly]


async def run(options: Options, reporter: Reporter, *, make: Assemble = assemble, clock: Clock | None = None) -> bool:
    """Start everything, report when it is ready, keep it running until SIGINT, SIGTERM or SIGHUP, stop everything.

    Returns False if it was asked to stop before it was ready. Raises UserError or Permanent if it cannot be started;
    nothing is left running then.
    """
    data = DataDir.of(options.data)
    preflight.prepare(data)
    with lock(data), ExitStack() as stack:
        orphans.end(data)
        secrets = credentials.load_or_create(data.secrets, SERVICES)
        await external.check(options)
        assembly = make(options, data, secrets, stack)
        return await _System(data, secrets, assembly, reporter, clock or SystemClock()).run()


class _System:
    def __init__(self, data: DataDir, secrets: Secrets, assembly: Assembly, reporter: Reporter, clock: Clock) -> None:
        self._data = data
        self._reporter = reporter
        self._clock = clock
        self._token = TokenFile(data.token, secrets.jwt, clock)
        self._supervisor = Supervisor(assembly.parts, assembly.external, clock=clock, on_change=self._changed)
        self._operations = assembly.operations
        self._stop = asyncio.Event()
        self._unwritten = False

    async def run(self) -> bool:
        began = self._clock.monotonic()
        try:
            with self._signals():
                async with self._supervisor:
                    if ready := await self._or_stop(self._supervisor.all_ready()):
                        self._reporter.ready(self._summary(self._clock.monotonic() - began))
                        await self._or_stop(self._maintain())
            return ready
        except PartFailed as e:
            raise self._with_log(e) from e
        finally:
            self._data.state.unlink(missing_ok=True)

    async def _maintain(self) -> None:
        """Renew the token and rotate the logs once a minute while everything runs; never returns."""
        watching = asyncio.ensure_future(self._supervisor.watch())
        try:
            while not watching.done():
                await asyncio.wait([watching], timeout=MAINTENANCE_S)
                with suppress(OSError):  # the disk is full: the system keeps running, and the next minute tries again
                    self._token.refresh()
                    for log in self._data.logs.glob("*.log"):
                        rotate(log)
            watching.result()
        finally:
            watching.cancel()

    async def _or_stop(self, work: Awaitable[None]) -> bool:
        """Whether the work was finished before we were asked to stop. Raises the error of the work."""
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
        # A signal that our parent ignores stays ignored: `nohup retake up` outlives its terminal.
        handled = [n for n in STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        for number in handled:
            loop.add_signal_handler(number, self._request_stop)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    def _request_stop(self) -> None:
        if self._stop.is_set():  # the second request: do not wait any longer
            self._supervisor.kill()
        self._stop.set()

    def _changed(self, status: PartStatus) -> None:
        try:
            self._state().write(self._data.state)
            self._unwritten = False
        except OSError as e:  # a full disk must not end the running system; the next change tries again
            if not self._unwritten:
                print(f"{self._data.state} could not be written: {e}", file=sys.stderr)
            self._unwritten = True
        self._reporter.part(status)

    def _state(self) -> SystemState:
        supervisor = ProcessId.of(os.getpid())
        assert supervisor
        return SystemState(
            supervisor,
            self._address("gateway"),
            self._address("broker"),
            str(self._data.root),
            self._supervisor.statuses.parts,
            self._operations,
        )

    def _address(self, part: str) -> str | None:
        """The last known address of a part; None if there is no such part, or it has never been ready."""
        with suppress(KeyError):
            return self._supervisor.statuses[part].address
        return None

    def _summary(self, seconds: float) -> Summary:
        gateway, kafka = self._address("gateway"), self._address("broker")
        token = self._token.refresh()
        return Summary(gateway or "", token, kafka or "", str(self._data.root), str(self._data.token), seconds)

    def _with_log(self, e: PartFailed) -> Permanent:
        """The error with the last lines of the part's log."""
        log = self._data.log(e.part)
        lines = "\n".join(tail(log, FAILED_LOG_LINES))
        return Permanent(e.code, f"{e.cause}. The end of {log}:\n{lines}" if lines else e.cause, f"See {log}.")
