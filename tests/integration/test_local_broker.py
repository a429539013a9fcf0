"""The embedded broker, created in both ways: topics exist, and the first member of a group need not wait."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.supervisor.processes import python_env

FUNCTIONS = (
    "from deploy.local.parts import broker as b; print(b.start_by_functions(b._library(), {}), flush=True); input()"
)
SETTING = "from deploy.local.parts import broker; print(broker.start_by_setting({}), flush=True); input()"


@pytest.fixture(params=[FUNCTIONS, SETTING], ids=["by functions", "by setting"])
def bootstrap(request: pytest.FixtureRequest) -> Iterator[str]:
    program = request.param.format(["accepted", "review.dlq"])
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=python_env()
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.kill()


async def test_topics_exist_and_records_pass(bootstrap: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all")
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="review", auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()
    try:
        assert await consumer.topics() == {"accepted", "review.dlq"}
        assert len(await producer.partitions_for("accepted")) == 4
        consumer.subscribe(["accepted"])
        await producer.send_and_wait("accepted", b"value", key=b"key")
        assert (await consumer.getone()).value == b"value"
    finally:
        await consumer.stop()
        await producer.stop()


def test_the_program_says_its_address_and_ends_when_asked() -> None:
    argv = [sys.executable, "-m", "deploy.local.parts.broker", "accepted"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=python_env()) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["bootstrap"].startswith("127.0.0.1:")
        process.terminate()
        assert process.wait(timeout=5) == 0
