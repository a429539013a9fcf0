"""What the log says while there is no broker: each cause once, for all clients of a service, and the end of it."""

from __future__ import annotations

from structlog.testing import capture_logs

from shared.contracts.topics import Service
from shared.messaging.broker import BrokerConfig, start_until_reachable


class Client:
    """Starts after so many failures."""

    def __init__(self, failures: int) -> None:
        self._left = failures

    async def start(self) -> None:
        if self._left:
            self._left -= 1
            raise ConnectionRefusedError


async def test_a_cause_that_lasts_is_said_once_and_reported_each_time() -> None:
    config = BrokerConfig("127.0.0.1:1", Service.REVIEW)
    reported: list[str] = []

    async def at_once(_: float) -> None: ...

    async def stop(_: Client) -> None: ...

    async def start(failures: int, client: str) -> None:
        made = Client(failures)
        await start_until_reachable(config, lambda: made, stop, client=client, sleep=at_once, report=reported.append)

    with capture_logs() as logs:
        await start(3, "admin")
        await start(0, "producer")
        await start(2, "consumer")
    assert [(line["event"], line["client"]) for line in logs] == [
        ("broker.unreachable", "admin"),
        ("broker.reachable", "admin"),
        ("broker.unreachable", "consumer"),
        ("broker.reachable", "consumer"),
    ]
    assert len(reported) == 5
    assert all("check KAFKA_BOOTSTRAP" in why for why in reported)
