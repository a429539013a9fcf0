"""The right to publish: a lease in PostgreSQL that one relay per database holds.

A lease is free when its holder's session has ended (the process exited) or when it was not renewed in time (the process
is stopped, or its machine vanished). Each holder gets a higher token. A holder that wakes up after its lease ended
sends nothing: its producer checks the lease, by the local clock, before each request to the broker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest

from shared.core.clock import Clock

LEASE_S: Final = 10.0  # the longest silence after a holder vanished, apart from POLL_S
RENEW_S: Final = 2.5
POLL_S: Final = 1.0
MARGIN_S: Final = 1.0  # the holder stops this long before the lease ends, by its own clock
COMMAND_TIMEOUT_S: Final = 5.0

_ACQUIRE: Final = """
    insert into relay_lease as lease (token, holder, session_pid, session_start, ends_at)
    select 1, $1, pid, backend_start, now() + make_interval(secs => $2)
    from pg_stat_activity where pid = pg_backend_pid()
    on conflict (one) do update
        set token = lease.token + 1, holder = excluded.holder, session_pid = excluded.session_pid,
            session_start = excluded.session_start, ends_at = excluded.ends_at
        where lease.ends_at < now() or lease.holder = excluded.holder or not exists (
            select from pg_stat_activity
            where pid = lease.session_pid and backend_start is not distinct from lease.session_start)
    returning token
"""
_RENEW: Final = "update relay_lease set ends_at = now() + make_interval(secs => $2) where token = $1 returning 1"
_RELEASE: Final = "update relay_lease set ends_at = '-infinity' where token = $1"


class LeaseLost(KafkaError):  # type: ignore[misc]
    """Another relay may publish by now. A KafkaError that aiokafka does not retry."""


class Lease:
    """`session` is a direct connection of its own, so that no long statement delays a renewal."""

    def __init__(self, session: asyncpg.Connection, holder: str, *, clock: Clock) -> None:
        self._session = session
        self._holder = holder
        self._clock = clock
        self._token: int | None = None
        self._valid_until = 0.0
        session.add_termination_listener(lambda *_: self._invalidate())

    @property
    def is_held(self) -> bool:
        return self._clock.monotonic() < self._valid_until

    async def acquire(self) -> bool:
        """False if another relay holds it."""
        began = self._clock.monotonic()
        self._token = await self._session.fetchval(_ACQUIRE, self._holder, LEASE_S, timeout=COMMAND_TIMEOUT_S)
        if self._token is None:
            return False
        self._valid_until = began + LEASE_S - MARGIN_S
        return True

    async def keep(self) -> None:
        """Renews the lease until it is lost: then raises LeaseLost, or asyncpg's error."""
        while True:
            await self._clock.sleep(RENEW_S)
            began = self._clock.monotonic()
            if not await self._session.fetchval(_RENEW, self._token, LEASE_S, timeout=COMMAND_TIMEOUT_S):
                self._invalidate()
                raise LeaseLost("another relay took the lease over")
            self._valid_until = began + LEASE_S - MARGIN_S

    async def release(self) -> None:
        self._invalidate()
        await self._session.execute(_RELEASE, self._token, timeout=COMMAND_TIMEOUT_S)

    def _invalidate(self) -> None:
        self._valid_until = 0.0


def fence(producer: AIOKafkaProducer, is_held: Callable[[], bool]) -> None:
    """Lets the producer send records only while the lease is held.

    The check is where a request leaves the process: records that were handed over earlier wait in the producer's
    buffer, and a process that was stopped meanwhile would send them when it continues.
    """
    send = producer.client.send

    async def send_while_held(node_id: int, request: Any, **options: Any) -> Any:
        await producer.client.ready(node_id)  # now, so that nothing waits between the check and the sending
        if isinstance(request, ProduceRequest) and not is_held():
            raise LeaseLost("the lease has ended")
        return await send(node_id, request, **options)

    producer.client.send = send_while_held
