"""An example consumer: prints every committed version from the topic `complete` as a line of JSON.

    pip install aiokafka
    python consume_complete.py localhost:9092             # runs forever; each version once per group
    python consume_complete.py localhost:9092 --count 1   # exits after one

It depends on nothing of Retake: a record is a CloudEvent whose body is described in docs/events/README.md#complete.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from aiokafka import AIOKafkaConsumer


async def consume(bootstrap: str, group: str, count: int | None) -> None:
    consumer = AIOKafkaConsumer(
        "complete",
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",  # compacted: a new group begins with the newest version of each asset
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    await consumer.start()
    seen: set[str] = set()  # in a real service: a table, written in the transaction of the effect
    try:
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            if record.value is not None and headers["ce_id"] not in seen:
                seen.add(headers["ce_id"])
                handle(headers, json.loads(record.value))
            await consumer.commit()  # after the effect: an unfinished record is delivered again
            if count is not None and len(seen) >= count:
                return
    finally:
        await consumer.stop()


def handle(headers: dict[str, str], version: dict[str, object]) -> None:
    """Your service's own work. The event does not contain the media; `version.object` refers to them."""
    line = {"project_id": headers["ce_projectid"], "time": headers["ce_time"], **version}
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print every committed version as a line of JSON.")
    parser.add_argument("bootstrap", help="HOST:PORT of the broker")
    parser.add_argument("--group", default="example", help="records are shared within a group")
    parser.add_argument("--count", type=int, help="exit after this many versions")
    args = parser.parse_args()
    asyncio.run(consume(args.bootstrap, args.group, args.count))


if __name__ == "__main__":
    main()
